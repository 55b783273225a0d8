"""AWS Lambda: functions, invocations, event source mappings."""

from waypost.service import Service
from waypost.services.lambdas import pollers
from waypost.services.lambdas.code import FORGET_CODE, download_code, forget_code
from waypost.services.lambdas.compatibility import NOTES, REFUSES
from waypost.services.lambdas.operations import (
    aliases,
    concurrency,
    functions,
    invocations,
    mappings,
    permissions,
    tags,
    versions,
)

SERVICE = Service(
    name="lambda",
    model="lambda",
    operations={
        "AddPermission": permissions.add_permission,
        "CreateAlias": aliases.create_alias,
        "CreateEventSourceMapping": mappings.create_event_source_mapping,
        "CreateFunction": functions.create_function,
        "DeleteAlias": aliases.delete_alias,
        "DeleteEventSourceMapping": mappings.delete_event_source_mapping,
        "DeleteFunction": functions.delete_function,
        "DeleteFunctionConcurrency": concurrency.delete_function_concurrency,
        "GetAccountSettings": concurrency.get_account_settings,
        "GetAlias": aliases.get_alias,
        "GetEventSourceMapping": mappings.get_event_source_mapping,
        "GetFunction": functions.get_function,
        "GetFunctionCodeSigningConfig": functions.get_function_code_signing_config,
        "GetFunctionConcurrency": concurrency.get_function_concurrency,
        "GetFunctionConfiguration": functions.get_function_configuration,
        "GetPolicy": permissions.get_policy,
        "Invoke": invocations.invoke,
        "ListAliases": aliases.list_aliases,
        "ListEventSourceMappings": mappings.list_event_source_mappings,
        "ListFunctions": functions.list_functions,
        "ListTags": tags.list_tags,
        "ListVersionsByFunction": versions.list_versions_by_function,
        "PublishVersion": versions.publish_version,
        "PutFunctionConcurrency": concurrency.put_function_concurrency,
        "RemovePermission": permissions.remove_permission,
        "TagResource": tags.tag_resource,
        "UntagResource": tags.untag_resource,
        "UpdateAlias": aliases.update_alias,
        "UpdateEventSourceMapping": mappings.update_event_source_mapping,
        "UpdateFunctionCode": functions.update_function_code,
        "UpdateFunctionConfiguration": functions.update_function_configuration,
        "waypost:DownloadCode": download_code,
        "waypost:PrepareInvoke": invocations.prepare_invoke,
    },
    jobs={invocations.ASYNC: invocations.run_async, FORGET_CODE: forget_code},
    background=pollers.run,
    refuses=REFUSES,
    refusal_code="InvalidParameterValueException",
    notes=NOTES,
)
