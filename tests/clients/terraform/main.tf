# Every resource and data source of the AWS provider for SQS and SNS, with all arguments that have a meaning here.

variable "web" {
  type        = string
  description = "Where a web server confirms subscriptions"
}

variable "changed" {
  type        = bool
  default     = false
  description = "Whether what can change in place has changed"
}

# --- SQS

resource "aws_sqs_queue" "dead" {
  name = "tf-dead"
}

resource "aws_sqs_queue_redrive_allow_policy" "dead" {
  queue_url = aws_sqs_queue.dead.id
  redrive_allow_policy = jsonencode({
    redrivePermission = "byQueue"
    sourceQueueArns   = [aws_sqs_queue.orders.arn]
  })
}

resource "aws_sqs_queue" "orders" {
  name                       = "tf-orders"
  delay_seconds              = var.changed ? 0 : 5
  max_message_size           = var.changed ? 262144 : 2048
  message_retention_seconds  = 86400
  receive_wait_time_seconds  = 10
  visibility_timeout_seconds = var.changed ? 60 : 45
  sqs_managed_sse_enabled    = true
  tags                       = var.changed ? { Team = "b", New = "1" } : { Team = "a", Old = "1" }
}

resource "aws_sqs_queue_redrive_policy" "orders" {
  queue_url = aws_sqs_queue.orders.id
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead.arn
    maxReceiveCount     = var.changed ? 5 : 4
  })
}

resource "aws_sqs_queue_policy" "orders" {
  queue_url = aws_sqs_queue.orders.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "topic"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = aws_sqs_queue.orders.arn
      Condition = { ArnEquals = { "aws:SourceArn" = aws_sns_topic.orders.arn } }
    }]
  })
}

resource "aws_sqs_queue" "fifo" {
  name                        = "tf-orders.fifo"
  fifo_queue                  = true
  content_based_deduplication = var.changed ? false : true
  deduplication_scope         = "messageGroup"
  fifo_throughput_limit       = var.changed ? "perQueue" : "perMessageGroupId"
}

resource "aws_sqs_queue" "inline" {
  name_prefix             = "tf-inline-"
  sqs_managed_sse_enabled = false
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_inline.arn
    maxReceiveCount     = 3
  })
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "all"
      Effect    = "Allow"
      Principal = "*"
      Action    = ["sqs:SendMessage", "sqs:ReceiveMessage"]
      Resource  = "*"
    }]
  })
}

resource "aws_sqs_queue" "dead_inline" {
  name                              = "tf-dead-inline"
  kms_master_key_id                 = var.changed ? null : "alias/aws/sqs"
  kms_data_key_reuse_period_seconds = var.changed ? 300 : 600
  redrive_allow_policy              = jsonencode({ redrivePermission = var.changed ? "denyAll" : "allowAll" })
}

# --- SNS

resource "aws_sns_topic" "orders" {
  name              = "tf-orders"
  display_name      = var.changed ? "New orders" : "Orders"
  signature_version = var.changed ? 2 : 1
  delivery_policy = jsonencode({
    http = {
      defaultHealthyRetryPolicy = {
        minDelayTarget     = 20
        maxDelayTarget     = 20
        numRetries         = var.changed ? 4 : 3
        numMaxDelayRetries = 0
        numNoDelayRetries  = 0
        numMinDelayRetries = 0
        backoffFunction    = "linear"
      }
      disableSubscriptionOverrides = false
      defaultRequestPolicy         = { headerContentType = "text/plain; charset=UTF-8" }
    }
  })
  sqs_success_feedback_role_arn         = aws_iam_role.audit.arn
  sqs_success_feedback_sample_rate      = var.changed ? 50 : 100
  sqs_failure_feedback_role_arn         = aws_iam_role.audit.arn
  lambda_success_feedback_role_arn      = var.changed ? null : aws_iam_role.audit.arn
  lambda_success_feedback_sample_rate   = var.changed ? null : 10
  http_failure_feedback_role_arn        = aws_iam_role.audit.arn
  application_failure_feedback_role_arn = aws_iam_role.audit.arn
  tags                                  = var.changed ? { Team = "b" } : { Team = "a", Old = "1" }
}

resource "aws_sns_topic_policy" "orders" {
  arn = aws_sns_topic.orders.arn
  policy = jsonencode({
    Version = "2012-10-17"
    Id      = "events"
    Statement = [{
      Sid       = "events"
      Effect    = "Allow"
      Principal = { Service = "events.amazonaws.com" }
      Action    = "sns:Publish"
      Resource  = aws_sns_topic.orders.arn
    }]
  })
}

resource "aws_sns_topic_data_protection_policy" "orders" {
  arn = aws_sns_topic.orders.arn
  policy = jsonencode({
    Description = "No e-mail addresses"
    Name        = "__default_data_protection_policy"
    Version     = "2021-06-01"
    Statement = [{
      Sid            = "deny"
      DataDirection  = "Inbound"
      DataIdentifier = ["arn:aws:dataprotection::aws:data-identifier/EmailAddress"]
      Operation      = { Deny = {} }
      Principal      = ["*"]
    }]
  })
}

resource "aws_sns_topic" "fifo" {
  name                        = "tf-orders.fifo"
  fifo_topic                  = true
  content_based_deduplication = true
  fifo_throughput_scope       = "MessageGroup"
  archive_policy              = var.changed ? "{}" : jsonencode({ MessageRetentionPeriod = 30 })
}

resource "aws_sns_topic" "inline" {
  name_prefix       = "tf-inline-"
  kms_master_key_id = "alias/aws/sns"
  tracing_config    = "PassThrough"
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "all"
      Effect    = "Allow"
      Principal = { AWS = "*" }
      Action    = ["SNS:Subscribe", "SNS:Publish"]
      Resource  = "*"
    }]
  })
}

resource "aws_sns_topic_subscription" "queue" {
  topic_arn            = aws_sns_topic.orders.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.orders.arn
  raw_message_delivery = var.changed ? false : true
  filter_policy = jsonencode({
    colour = [var.changed ? "green" : "red", { prefix = "bl" }]
    price  = [{ numeric = [">=", 100] }]
  })
  redrive_policy = var.changed ? null : jsonencode({ deadLetterTargetArn = aws_sqs_queue.dead_inline.arn })
}

resource "aws_sns_topic_subscription" "body" {
  topic_arn           = aws_sns_topic.fifo.arn
  protocol            = "sqs"
  endpoint            = aws_sqs_queue.fifo.arn
  filter_policy_scope = "MessageBody"
  filter_policy       = jsonencode({ order = { state = ["paid"] } })
}

resource "aws_sns_topic_subscription" "function" {
  topic_arn = aws_sns_topic.orders.arn
  protocol  = "lambda"
  endpoint  = aws_lambda_function.audit.arn
}

resource "aws_sns_topic_subscription" "text" {
  topic_arn           = aws_sns_topic.orders.arn
  protocol            = "sms"
  endpoint            = "+15550100077"
  filter_policy       = var.changed ? null : jsonencode({ order = { state = ["late"] } })
  filter_policy_scope = var.changed ? null : "MessageBody"
}

# Nobody confirms it; it goes with its topic.
resource "aws_sns_topic_subscription" "mail" {
  topic_arn     = aws_sns_topic.orders.arn
  protocol      = "email"
  endpoint      = "orders@example.com"
  filter_policy = jsonencode({ colour = ["red"] })
}

resource "aws_sns_topic_subscription" "web" {
  topic_arn                       = aws_sns_topic.orders.arn
  protocol                        = "http"
  endpoint                        = var.web
  endpoint_auto_confirms          = true
  confirmation_timeout_in_minutes = 1
  delivery_policy = jsonencode({
    healthyRetryPolicy = { minDelayTarget = 5, maxDelayTarget = 10, numRetries = var.changed ? 6 : 5 }
  })
}

resource "aws_sns_platform_application" "phones" {
  name                             = "tf-phones"
  platform                         = "GCM"
  platform_credential              = "key"
  event_endpoint_created_topic_arn = var.changed ? aws_sns_topic.orders.arn : null
}

resource "aws_sns_sms_preferences" "texts" {
  default_sms_type    = var.changed ? "Transactional" : "Promotional"
  default_sender_id   = "Waypost"
  monthly_spend_limit = 1
}

# --- what they are used with

resource "aws_iam_role" "audit" {
  name = "tf-audit"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "lambda.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
}

resource "aws_lambda_function" "audit" {
  function_name    = "tf-audit"
  role             = aws_iam_role.audit.arn
  runtime          = "python3.11"
  handler          = "audit.handler"
  filename         = "${path.module}/audit.zip"
  source_code_hash = filebase64sha256("${path.module}/audit.zip")
}

resource "aws_lambda_permission" "audit" {
  statement_id  = "topic"
  action        = "lambda:InvokeFunction"
  function_name = aws_lambda_function.audit.function_name
  principal     = "sns.amazonaws.com"
  source_arn    = aws_sns_topic.orders.arn
}

# --- what is looked up

data "aws_sqs_queue" "orders" {
  name = aws_sqs_queue.orders.name
}

data "aws_sqs_queues" "all" {
  queue_name_prefix = "tf-orders"
  depends_on        = [aws_sqs_queue.orders, aws_sqs_queue.fifo]
}

data "aws_sns_topic" "orders" {
  name       = "tf-orders"
  depends_on = [aws_sns_topic.orders]
}

output "queue" { value = [data.aws_sqs_queue.orders.url, data.aws_sqs_queue.orders.arn] }
output "queues" { value = sort(data.aws_sqs_queues.all.queue_urls) }
output "topic" { value = data.aws_sns_topic.orders.arn }
