-- Statements of deliveries to the outside: web servers, mailboxes, phones, devices.

-- name: insert_document : a long message that several deliveries need
INSERT INTO sns_document (topic, id, document) VALUES (:topic, :id, :document);

-- name: get_document : with each attempt
SELECT document FROM sns_document WHERE topic = :topic AND id = :id;

-- name: delete_unneeded : unless a job still needs it
DELETE FROM sns_document WHERE topic = :topic AND id = :id AND NOT EXISTS (SELECT 1 FROM job WHERE key = :key);

-- name: take_turn : of a throttled endpoint; turns are given in order, each :gap microseconds after the one before
INSERT INTO sns_throttle (topic, subscription, next_us) VALUES (:topic, :subscription, :following)
ON CONFLICT (topic, subscription) DO UPDATE SET next_us =
  CASE WHEN sns_throttle.next_us > :now THEN sns_throttle.next_us + :gap ELSE :following END
RETURNING next_us - :gap;

-- name: list_counts : of a subscription, or of what goes together without one; there are few, for they are gathered
SELECT outcome, count, last_at, last_error FROM sns_delivery_count
WHERE topic = :topic AND subscription = :subscription ORDER BY id;

-- name: take_counts : the oldest rows of one subscription, to become one for each outcome
DELETE FROM sns_delivery_count WHERE topic = :topic AND subscription = :subscription AND id IN (
  SELECT id FROM sns_delivery_count WHERE topic = :topic AND subscription = :subscription ORDER BY id LIMIT :limit
) RETURNING id, outcome, count, last_at, last_error;

-- name: insert_count : what several rows said
INSERT INTO sns_delivery_count (topic, subscription, id, outcome, count, last_at, last_error)
VALUES (:topic, :subscription, :id, :outcome, :count, :last_at, :last_error);

-- name: insert_note : into the local inbox
INSERT INTO sns_inbox (id, account, region, channel, recipient, document, sent_at)
VALUES (:id, :account, :region, :channel, :recipient, :document, :now);

-- name: list_notes_to : what one recipient got
SELECT id, channel, recipient, document, sent_at FROM sns_inbox
WHERE account = :account AND region = :region AND channel = :channel AND recipient = :recipient AND id > :after
ORDER BY id LIMIT :limit;

-- name: list_notes : what all got, or those of a channel or of a name; the inbox is bounded
SELECT id, channel, recipient, document, sent_at FROM sns_inbox
WHERE account = :account AND region = :region AND id > :after
  AND (:channel = '' OR channel = :channel) AND (:recipient = '' OR recipient = :recipient)
ORDER BY id LIMIT :limit;

-- name: trim_inbox : all but the newest
DELETE FROM sns_inbox WHERE account = :account AND region = :region AND id < (
  SELECT id FROM sns_inbox WHERE account = :account AND region = :region ORDER BY id DESC LIMIT 1 OFFSET :others);

-- name: get_application : by its name
SELECT id, settings FROM sns_platform_application
WHERE account = :account AND region = :region AND platform = :platform AND name = :name;

-- name: get_endpoint : by the last part of its ARN
SELECT token, enabled, user_data, extra FROM sns_endpoint WHERE application = :application AND uuid = :uuid;

-- name: find_token : whose a token is
SELECT uuid, token, enabled, user_data, extra FROM sns_endpoint WHERE application = :application AND token = :token;

-- name: change_endpoint : all but its token
UPDATE sns_endpoint SET enabled = :enabled, user_data = :user_data, extra = :extra
WHERE application = :application AND uuid = :uuid;

-- name: get_opted_out : whether, and since when, and when it was taken back
SELECT opted_out_at, opted_in_at FROM sns_opted_out WHERE account = :account AND region = :region AND phone = :phone;

-- name: get_sandbox_phone : whether a text may go there
SELECT status, code, wrong, sent, sent_since, changed_at FROM sns_sandbox_phone
WHERE account = :account AND region = :region AND phone = :phone;

-- name: get_sms_settings : JSON
SELECT settings FROM sns_sms_settings WHERE account = :account AND region = :region;

-- name: insert_application : unless another node was first
INSERT INTO sns_platform_application (account, region, platform, name, id, settings, created_at)
VALUES (:account, :region, :platform, :name, :id, :settings, :now)
ON CONFLICT (account, region, platform, name) DO NOTHING;

-- name: lock_application : before it changes
SELECT id, settings FROM sns_platform_application
WHERE account = :account AND region = :region AND platform = :platform AND name = :name {for_update};

-- name: set_application : all attributes, checked
UPDATE sns_platform_application SET settings = :settings
WHERE account = :account AND region = :region AND platform = :platform AND name = :name;

-- name: delete_application : its endpoints follow by and by
DELETE FROM sns_platform_application
WHERE account = :account AND region = :region AND platform = :platform AND name = :name;

-- name: list_applications : by platform and name from one on
SELECT platform, name, id, settings FROM sns_platform_application
WHERE account = :account AND region = :region
  AND (platform > :after_platform OR (platform = :after_platform AND name > :after_name))
ORDER BY platform, name LIMIT :limit;

-- name: insert_endpoint : unless there is one with this token
INSERT INTO sns_endpoint (application, uuid, token, enabled, user_data, extra)
VALUES (:application, :uuid, :token, :enabled, :user_data, :extra)
ON CONFLICT (application, token) DO NOTHING;

-- name: lock_endpoint : before it changes
SELECT token, enabled, user_data, extra FROM sns_endpoint WHERE application = :application AND uuid = :uuid {for_update};

-- name: delete_endpoint : for good, or to have it again with another token
DELETE FROM sns_endpoint WHERE application = :application AND uuid = :uuid;

-- name: list_endpoints : of an application, from one on
SELECT uuid, token, enabled, user_data, extra FROM sns_endpoint
WHERE application = :application AND uuid > :after ORDER BY uuid LIMIT :limit;

-- name: delete_endpoints : of an application that is gone
DELETE FROM sns_endpoint WHERE application = :application AND uuid IN (
  SELECT uuid FROM sns_endpoint WHERE application = :application ORDER BY uuid LIMIT :limit);

-- name: add_sms_settings : so that there is a row to lock
INSERT INTO sns_sms_settings (account, region, settings) VALUES (:account, :region, :settings)
ON CONFLICT (account, region) DO NOTHING;

-- name: lock_sms_settings : before they change
SELECT settings FROM sns_sms_settings WHERE account = :account AND region = :region {for_update};

-- name: set_sms_settings : JSON
UPDATE sns_sms_settings SET settings = :settings WHERE account = :account AND region = :region;

-- name: opt_out : a phone asked for it
INSERT INTO sns_opted_out (account, region, phone, opted_out_at, opted_in_at)
VALUES (:account, :region, :phone, :now, NULL)
ON CONFLICT (account, region, phone) DO UPDATE SET opted_out_at = excluded.opted_out_at;

-- name: lock_opted_out : before it is taken back
SELECT opted_out_at, opted_in_at FROM sns_opted_out
WHERE account = :account AND region = :region AND phone = :phone {for_update};

-- name: opt_in : texts may go there again
UPDATE sns_opted_out SET opted_in_at = :now WHERE account = :account AND region = :region AND phone = :phone;

-- name: list_opted_out : by number from one on
SELECT phone FROM sns_opted_out
WHERE account = :account AND region = :region AND phone > :after
  AND (opted_in_at IS NULL OR opted_in_at < opted_out_at)
ORDER BY phone LIMIT :limit;

-- name: add_sandbox_phone : so that there is a row to lock
INSERT INTO sns_sandbox_phone (account, region, phone, status, code, wrong, sent, sent_since, changed_at)
VALUES (:account, :region, :phone, 'Pending', '', 0, 0, :now, :now)
ON CONFLICT (account, region, phone) DO NOTHING;

-- name: lock_sandbox_phone : before it changes
SELECT status, code, wrong, sent, sent_since, changed_at FROM sns_sandbox_phone
WHERE account = :account AND region = :region AND phone = :phone {for_update};

-- name: set_sandbox_phone : a password was sent, or guessed
UPDATE sns_sandbox_phone SET status = :status, code = :code, wrong = :wrong, sent = :sent, sent_since = :sent_since,
  changed_at = :changed_at
WHERE account = :account AND region = :region AND phone = :phone;

-- name: delete_sandbox_phone : its owner wants it
DELETE FROM sns_sandbox_phone WHERE account = :account AND region = :region AND phone = :phone;

-- name: list_sandbox_phones : by number from one on
SELECT phone, status FROM sns_sandbox_phone
WHERE account = :account AND region = :region AND phone > :after ORDER BY phone LIMIT :limit;

-- name: count_verified : an account has few
SELECT COUNT(*) FROM sns_sandbox_phone WHERE account = :account AND region = :region AND status = 'Verified';
