"""SQS over Query, which today's model does not know: requests and responses as the API reference writes them."""
# ruff: noqa: E501 (tables of requests and answers read best one to a line)

import pytest
from samples import REQUEST_ID, ROUTER, authorization

from waypost.aws.errors import AwsError
from waypost.aws.message import HttpRequest

QUEUE = "/177715257436/MyQueue"
URL = f"http://localhost:4566{QUEUE}"
FORM = "application/x-www-form-urlencoded"

REQUESTS = [
    ("AddPermission", "Label=MyLabel&AWSAccountId.1=177715257436&AWSAccountId.2=111111111111&ActionName.1=SendMessage&ActionName.2=ReceiveMessage",
     {"Label": "MyLabel", "AWSAccountIds": ["177715257436", "111111111111"], "Actions": ["SendMessage", "ReceiveMessage"]}),
    ("CancelMessageMoveTask", "TaskHandle=abc", {"TaskHandle": "abc"}),
    ("ChangeMessageVisibility", "ReceiptHandle=MbZj6wDWli%2BJvwwJaBV%2B3dcjk2YW2vA3%2BSTFFljT&VisibilityTimeout=60",
     {"ReceiptHandle": "MbZj6wDWli+JvwwJaBV+3dcjk2YW2vA3+STFFljT", "VisibilityTimeout": 60}),
    ("ChangeMessageVisibilityBatch",
     ("ChangeMessageVisibilityBatchRequestEntry.1.Id=change_visibility_msg_2&ChangeMessageVisibilityBatchRequestEntry.1.ReceiptHandle=a&ChangeMessageVisibilityBatchRequestEntry.1.VisibilityTimeout=45"
     "&ChangeMessageVisibilityBatchRequestEntry.2.Id=change_visibility_msg_3&ChangeMessageVisibilityBatchRequestEntry.2.ReceiptHandle=b"),
     {"Entries": [{"Id": "change_visibility_msg_2", "ReceiptHandle": "a", "VisibilityTimeout": 45}, {"Id": "change_visibility_msg_3", "ReceiptHandle": "b"}]}),
    ("CreateQueue", "QueueName=MyQueue&Attribute.1.Name=VisibilityTimeout&Attribute.1.Value=40&Tag.Key=QueueType&Tag.Value=Production",
     {"QueueName": "MyQueue", "Attributes": {"VisibilityTimeout": "40"}, "tags": {"QueueType": "Production"}}),
    ("CreateQueue", "QueueName=Q.fifo&Attribute.1.Name=FifoQueue&Attribute.1.Value=true&Attribute.2.Name=Policy&Attribute.2.Value=&Tag.1.Key=a&Tag.1.Value=1&Tag.2.Key=b&Tag.2.Value=",
     {"QueueName": "Q.fifo", "Attributes": {"FifoQueue": "true", "Policy": ""}, "tags": {"a": "1", "b": ""}}),
    ("DeleteMessage", "ReceiptHandle=x%2F%3D", {"ReceiptHandle": "x/="}),
    ("DeleteMessageBatch", "DeleteMessageBatchRequestEntry.1.Id=msg1&DeleteMessageBatchRequestEntry.1.ReceiptHandle=a&DeleteMessageBatchRequestEntry.2.Id=msg2&DeleteMessageBatchRequestEntry.2.ReceiptHandle=b",
     {"Entries": [{"Id": "msg1", "ReceiptHandle": "a"}, {"Id": "msg2", "ReceiptHandle": "b"}]}),
    ("DeleteQueue", "", {}),
    ("GetQueueAttributes", "AttributeName.1=All", {"AttributeNames": ["All"]}),
    ("GetQueueAttributes", "AttributeName.2=QueueArn&AttributeName.10=DelaySeconds&AttributeName.1=Policy", {"AttributeNames": ["Policy", "QueueArn", "DelaySeconds"]}),
    ("GetQueueUrl", "QueueName=MyQueue&QueueOwnerAWSAccountId=177715257436", {"QueueName": "MyQueue", "QueueOwnerAWSAccountId": "177715257436"}),
    ("ListDeadLetterSourceQueues", "MaxResults=5&NextToken=t", {"MaxResults": 5, "NextToken": "t"}),
    ("ListMessageMoveTasks", "SourceArn=arn%3Aaws%3Asqs%3Aus-east-1%3A1%3Adlq&MaxResults=1", {"SourceArn": "arn:aws:sqs:us-east-1:1:dlq", "MaxResults": 1}),
    ("ListQueues", "QueueNamePrefix=M", {"QueueNamePrefix": "M"}),
    ("ListQueueTags", "", {}),
    ("PurgeQueue", "", {}),
    ("ReceiveMessage", "MaxNumberOfMessages=5&VisibilityTimeout=15&AttributeName=All",
     {"MaxNumberOfMessages": 5, "VisibilityTimeout": 15, "AttributeNames": ["All"]}),
    ("ReceiveMessage", "MessageAttributeName.1=foo.%2A&MessageSystemAttributeName.1=SentTimestamp&WaitTimeSeconds=20&ReceiveRequestAttemptId=r",
     {"MessageAttributeNames": ["foo.*"], "MessageSystemAttributeNames": ["SentTimestamp"], "WaitTimeSeconds": 20, "ReceiveRequestAttemptId": "r"}),
    ("RemovePermission", "Label=MyLabel", {"Label": "MyLabel"}),
    ("SendMessage",
     ("MessageBody=This+is+a+test+message&DelaySeconds=45"
     "&MessageAttribute.1.Name=my_attribute_name_1&MessageAttribute.1.Value.StringValue=my_attribute_value_1&MessageAttribute.1.Value.DataType=String"
     "&MessageAttribute.2.Name=b&MessageAttribute.2.Value.BinaryValue=AAH%2F&MessageAttribute.2.Value.DataType=Binary"
     "&MessageSystemAttribute.1.Name=AWSTraceHeader&MessageSystemAttribute.1.Value.StringValue=Root%3D1&MessageSystemAttribute.1.Value.DataType=String"),
     {"MessageBody": "This is a test message", "DelaySeconds": 45,
      "MessageAttributes": {"my_attribute_name_1": {"StringValue": "my_attribute_value_1", "DataType": "String"}, "b": {"BinaryValue": b"\x00\x01\xff", "DataType": "Binary"}},
      "MessageSystemAttributes": {"AWSTraceHeader": {"StringValue": "Root=1", "DataType": "String"}}}),
    ("SendMessage", "MessageBody=&MessageGroupId=g&MessageDeduplicationId=d&MessageAttribute.1.Name=l&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringListValue.1=x&MessageAttribute.1.Value.StringListValue.2=y&MessageAttribute.1.Value.BinaryListValue.1=AA%3D%3D",
     {"MessageBody": "", "MessageGroupId": "g", "MessageDeduplicationId": "d",
      "MessageAttributes": {"l": {"DataType": "String", "StringListValues": ["x", "y"], "BinaryListValues": [b"\x00"]}}}),
    ("SendMessageBatch",
     ("SendMessageBatchRequestEntry.1.Id=test_msg_001&SendMessageBatchRequestEntry.1.MessageBody=test%20message%20body%201"
     "&SendMessageBatchRequestEntry.2.Id=test_msg_002&SendMessageBatchRequestEntry.2.MessageBody=two&SendMessageBatchRequestEntry.2.DelaySeconds=60"
     "&SendMessageBatchRequestEntry.2.MessageAttribute.1.Name=n&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.StringValue=5&SendMessageBatchRequestEntry.2.MessageAttribute.1.Value.DataType=Number"),
     {"Entries": [{"Id": "test_msg_001", "MessageBody": "test message body 1"},
                  {"Id": "test_msg_002", "MessageBody": "two", "DelaySeconds": 60, "MessageAttributes": {"n": {"StringValue": "5", "DataType": "Number"}}}]}),
    ("SetQueueAttributes", "Attribute.Name=VisibilityTimeout&Attribute.Value=35", {"Attributes": {"VisibilityTimeout": "35"}}),
    ("StartMessageMoveTask", "SourceArn=s&DestinationArn=d&MaxNumberOfMessagesPerSecond=500",
     {"SourceArn": "s", "DestinationArn": "d", "MaxNumberOfMessagesPerSecond": 500}),
    ("TagQueue", "Tag.Key=QueueType&Tag.Value=Production", {"Tags": {"QueueType": "Production"}}),
    ("TagQueue", "Tag.1.Key=QueueType&Tag.1.Value=Production&Tag.2.Key=k&Tag.2.Value=v", {"Tags": {"QueueType": "Production", "k": "v"}}),
    ("UntagQueue", "TagKey.1=QueueType&TagKey.2=k", {"TagKeys": ["QueueType", "k"]}),
]  # fmt: skip


def post(body, path=QUEUE, **headers):
    return HttpRequest("POST", path, "", {"host": "localhost:4566", "content-type": FORM, **headers}, body.encode())


def parsed(request):
    routed = ROUTER.find(request)
    return routed, routed.operation.parse(request, routed)


def _expected(action, params):
    takes_queue = "QueueUrl" in ROUTER.operation("sqs", action).input_members
    return {**params, "QueueUrl": URL} if takes_queue else params


@pytest.mark.parametrize(("action", "fields", "params"), REQUESTS)
def test_documented_requests(action, fields, params):
    body = f"Action={action}&{fields}&Version=2012-11-05"
    signed = {"authorization": authorization("sqs")}
    routed, found = parsed(post(body, **signed))
    assert (routed.model, routed.wire, routed.operation.name) == ("sqs", "query", action)
    assert found == _expected(action, params)
    # The same as a GET, without a version, and without a signature.
    get = HttpRequest("GET", QUEUE, f"Action={action}&{fields}", {"host": "localhost:4566", **signed}, b"")
    assert parsed(get)[1] == found
    assert parsed(post(body))[1] == found


def test_every_operation_has_an_example():
    assert {action for action, _, _ in REQUESTS} == set(ROUTER.operations("sqs"))


def test_the_parameter_wins_over_the_path():
    other = "http://localhost:4566/000000000000/Other"
    assert parsed(post(f"Action=PurgeQueue&QueueUrl={other}"))[1] == {"QueueUrl": other}
    assert parsed(post("Action=PurgeQueue", path="/"))[1] == {}


def test_json_posted_to_the_queue_url():
    headers = {"x-amz-target": "AmazonSQS.SendMessage", "content-type": "application/x-amz-json-1.0"}
    request = HttpRequest("POST", QUEUE, "", headers, b'{"QueueUrl":"u","MessageBody":"b"}')
    routed, params = parsed(request)
    assert (routed.wire, params) == ("json", {"QueueUrl": "u", "MessageBody": "b"})


RESPONSES = [
    ("CreateQueue", {"QueueUrl": "http://&sqs/123/q"},
     '<CreateQueueResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><CreateQueueResult><QueueUrl>http://&amp;sqs/123/q</QueueUrl></CreateQueueResult>'),
    ("GetQueueAttributes", {"Attributes": {"VisibilityTimeout": "30", "DelaySeconds": "0"}},
     ('<GetQueueAttributesResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><GetQueueAttributesResult><Attribute><Name>VisibilityTimeout</Name><Value>30</Value></Attribute>'
     "<Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute></GetQueueAttributesResult>")),
    ("ListQueues", {"QueueUrls": ["a", "b"]},
     '<ListQueuesResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ListQueuesResult><QueueUrl>a</QueueUrl><QueueUrl>b</QueueUrl></ListQueuesResult>'),
    ("ListQueueTags", {"Tags": {"QueueType": "Production"}},
     '<ListQueueTagsResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ListQueueTagsResult><Tag><Key>QueueType</Key><Value>Production</Value></Tag></ListQueueTagsResult>'),
    ("ReceiveMessage",
     {"Messages": [{"MessageId": "5fea7756", "ReceiptHandle": "MbZj", "MD5OfBody": "fafb", "Body": 'a "test"\r\n<x>',
                    "Attributes": {"SenderId": "AIDA"}, "MessageAttributes": {"n": {"StringValue": "v", "DataType": "String"}}}]},
     ('<ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ReceiveMessageResult><Message><MessageId>5fea7756</MessageId><ReceiptHandle>MbZj</ReceiptHandle>'
     "<MD5OfBody>fafb</MD5OfBody><Body>a &quot;test&quot;&#xD;\n&lt;x&gt;</Body><Attribute><Name>SenderId</Name><Value>AIDA</Value></Attribute>"
     "<MessageAttribute><Name>n</Name><Value><StringValue>v</StringValue><DataType>String</DataType></Value></MessageAttribute></Message></ReceiveMessageResult>")),
    ("ReceiveMessage", {}, '<ReceiveMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><ReceiveMessageResult></ReceiveMessageResult>'),
    ("SendMessageBatch", {"Successful": [{"Id": "1", "MessageId": "m", "MD5OfMessageBody": "d"}], "Failed": [{"Id": "2", "SenderFault": True, "Code": "c"}]},
     ('<SendMessageBatchResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><SendMessageBatchResult><SendMessageBatchResultEntry><Id>1</Id><MessageId>m</MessageId>'
     "<MD5OfMessageBody>d</MD5OfMessageBody></SendMessageBatchResultEntry><BatchResultErrorEntry><Id>2</Id><SenderFault>true</SenderFault><Code>c</Code></BatchResultErrorEntry></SendMessageBatchResult>")),
    ("DeleteMessage", None, '<DeleteMessageResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/">'),
]  # fmt: skip


@pytest.mark.parametrize(("action", "values", "text"), RESPONSES)
def test_documented_responses(action, values, text):
    response = ROUTER.operation("sqs", action, "query").serialize(values, REQUEST_ID)
    metadata = f"<ResponseMetadata><RequestId>{REQUEST_ID}</RequestId></ResponseMetadata>"
    assert response.status == 200
    assert response.body.decode() == f"{text}{metadata}</{action}Response>"
    assert dict(response.headers)[b"content-type"] == b"text/xml"


def test_an_error_has_its_old_code_and_its_old_words():
    error = AwsError(
        "QueueDoesNotExist",
        "The specified queue does not exist.",
        query_message="The specified queue does not exist for this wsdl version.",
    )
    response = ROUTER.operation("sqs", "SendMessage", "query").serialize_error(error, REQUEST_ID)
    assert response.status == 400
    assert response.body.decode() == (
        '<ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type>'
        "<Code>AWS.SimpleQueueService.NonExistentQueue</Code>"
        "<Message>The specified queue does not exist for this wsdl version.</Message><Detail/></Error>"
        f"<RequestId>{REQUEST_ID}</RequestId></ErrorResponse>"
    )
