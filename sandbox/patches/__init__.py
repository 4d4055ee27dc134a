"""What ministack leaves out of AWS and this project depends on: a module per service, a function per gap.

They reach into ministack's private names, so they hold for the version that emulator.py insists on and no other.
test_emulator.py shows each at work.
"""

from sandbox.controls import Controls
from sandbox.patches import (
    authorization,
    cloudwatch,
    dynamodb,
    iam,
    lambdas,
    logs,
    organizations,
    s3,
    scheduler,
    secretsmanager,
    server,
    sns,
    sqs,
)


def install(controls: Controls) -> None:
    """Apply every patch, once."""
    server.stay_on_one_port()
    iam.shift_the_clock(controls)
    iam.let_time_pass(controls)
    iam.limit_keys_to_two()
    iam.rename_and_move()
    iam.tell_last_use(controls)
    iam.simulate_in_a_context()
    iam.paginate(controls, action="ListUsers", members="Users")
    iam.paginate(controls, action="GetAccountAuthorizationDetails", members="UserDetailList")
    iam.paginate(controls, action="ListAccessKeys", members="AccessKeyMetadata")
    secretsmanager.honour_tokens_on_create()
    secretsmanager.honour_tokens_on_put()
    dynamodb.enforce_table_policies()
    dynamodb.provision_the_whole_table()
    dynamodb.name_partiql_actions()
    authorization.name_the_role_as_principal()
    authorization.name_the_user_as_resource()
    authorization.tell_what_a_request_says()
    authorization.name_the_function_that_asks()
    authorization.name_what_is_read_of_a_function()
    cloudwatch.deploy_expressions()
    cloudwatch.ask_the_topic()
    scheduler.substitute_schedule_context()
    sqs.let_time_pass(controls)
    organizations.belong_to_one_organization()
    organizations.list_the_stacks_of_a_stackset()
    s3.let_time_pass(controls)
    s3.ask_as_the_caller()
    lambdas.lead_astray()
    lambdas.fetch_code_across_accounts()
    lambdas.hand_out_code_over_tls()
    lambdas.wait_for_the_log()
    logs.ask_about_fields()
    sns.keep_mail(controls)
    sns.tell_the_key_of_a_stacks_topic()
    sns.tell_all_of_a_stacks_subscription()
    authorization.record_requests(controls)
    # Last: around everything that stands before it.
    server.inject_faults(controls)
