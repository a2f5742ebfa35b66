mock_provider "aws" {
  override_during = plan

  mock_data "aws_caller_identity" {
    defaults = { account_id = "123456789012" }
  }
  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
  mock_data "aws_iam_policy_document" {
    defaults = { json = "{}" }
  }
  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::models" }
  }
  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:eu-central-1:123456789012:log-group:/aws/lambda/chat" }
  }
  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::123456789012:role/chat" }
  }
  mock_resource "aws_lambda_function" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:chat", version = "7" }
  }
  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:eu-central-1:123456789012:function:chat:live" }
  }
  mock_resource "aws_lambda_function_url" {
    defaults = { function_url = "https://abc.lambda-url.eu-central-1.on.aws/" }
  }
  mock_resource "aws_ecr_repository" {
    defaults = { repository_url = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/chat" }
  }
  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:eu-central-1:123456789012:chat-alarms" }
  }
}

variables {
  region = "eu-central-1"
  image  = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/chat:v1"
  model  = "m.gguf"
}

run "streams_token_by_token" {
  command = plan

  assert {
    condition     = aws_lambda_function_url.chat[0].invoke_mode == "RESPONSE_STREAM"
    error_message = "the URL would buffer"
  }
  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_INVOKE_MODE"] == "response_stream"
    error_message = "the adapter would buffer"
  }
}

run "costs_nothing_at_rest" {
  command = plan

  assert {
    condition     = length(aws_lambda_provisioned_concurrency_config.live) == 0
    error_message = "instances would run without requests"
  }
  assert {
    condition     = length(aws_scheduler_schedule.warmup) == 0
    error_message = "there are pings without a schedule"
  }
}

run "at_most_three_instances_by_default" {
  command = plan

  assert {
    condition     = aws_lambda_function.chat[0].reserved_concurrent_executions == 3
    error_message = "a flood of requests would cost more than three instances"
  }
}

run "the_accounts_limit_can_apply" {
  command = plan

  variables {
    max_instances = null
  }

  assert {
    condition     = aws_lambda_function.chat[0].reserved_concurrent_executions == -1
    error_message = "a new account has too little concurrency to reserve from"
  }
}

run "the_first_request_reaches_an_instance_that_is_still_loading" {
  command = plan

  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_READINESS_CHECK_PATH"] == "/health/live"
    error_message = "callers would not see the progress of the cold start"
  }
  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_ASYNC_INIT"] == "true"
    error_message = "an init of more than 10 s would be restarted"
  }
}

run "startup_can_wait_for_the_model" {
  command = plan

  variables {
    startup_waits_for = "model"
  }

  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_READINESS_CHECK_PATH"] == "/health/ready"
    error_message = "the adapter does not check the model"
  }
}

run "replies_end_before_the_platform_cuts_them" {
  command = plan

  variables {
    timeout_seconds = 300
  }

  assert {
    condition     = aws_lambda_function.chat[0].timeout == 300 && tonumber(aws_lambda_function.chat[0].environment[0].variables["REQUEST_TIMEOUT"]) == 290
    error_message = "a long reply would be cut off instead of ending with `length`"
  }
}

run "the_model_comes_from_the_bucket" {
  command = plan

  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["MODEL_URI"] == "s3://chat-models-123456789012-eu-central-1/m.gguf"
    error_message = "MODEL_URI is not the object in the bucket"
  }
}

run "without_a_model_the_image_brings_its_own" {
  command = plan

  variables {
    model = null
  }

  assert {
    condition     = !contains(keys(aws_lambda_function.chat[0].environment[0].variables), "MODEL_URI")
    error_message = "MODEL_URI would hide the model in the image"
  }
}

run "further_settings_reach_the_function" {
  command = plan

  variables {
    env = { N_CTX = "8192" }
  }

  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["N_CTX"] == "8192"
    error_message = "env does not reach the function"
  }
}

run "a_setting_that_does_not_exist_is_rejected" {
  command = plan

  variables {
    env = { N_CONTEXT = "8192" }
  }

  expect_failures = [var.env]
}

run "a_setting_that_has_a_variable_of_its_own_is_rejected" {
  command = plan

  variables {
    env = { API_KEY = "readable in the state" }
  }

  expect_failures = [var.env]
}

run "the_first_apply_creates_the_repository_without_the_function" {
  command = plan

  variables {
    bootstrap       = true
    invokers        = ["123456789012"]
    warmup_schedule = "rate(10 minutes)"
    min_instances   = 1
  }

  assert {
    condition     = length(aws_lambda_function.chat) == 0
    error_message = "there is no image yet"
  }
  assert {
    condition     = output.url == null && output.curl == null
    error_message = "there is no address yet"
  }
  assert {
    condition     = strcontains(output.push, "docker push 123456789012.dkr.ecr.eu-central-1.amazonaws.com/chat:")
    error_message = "the image repository is wrong"
  }
}

run "an_image_without_tag_or_digest_is_rejected" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/chat"
  }

  expect_failures = [var.image]
}

run "the_image_is_built_for_the_functions_architecture" {
  command = plan

  variables {
    architecture = "arm64"
  }

  assert {
    condition     = aws_lambda_function.chat[0].architectures == tolist(["arm64"])
    error_message = "the function runs on another architecture"
  }
  assert {
    condition     = strcontains(output.push, "--platform=linux/arm64")
    error_message = "the image is built for another architecture"
  }
}

run "callers_stay_on_a_complete_version_during_a_deployment" {
  command = plan

  assert {
    condition     = aws_lambda_function.chat[0].publish && aws_lambda_alias.live[0].function_version == "7"
    error_message = "the alias does not follow published versions"
  }
  assert {
    condition     = aws_lambda_function_url.chat[0].qualifier == "live"
    error_message = "the URL calls a function in the middle of a change"
  }
}

run "warm_instances_belong_to_the_alias" {
  command = plan

  variables {
    min_instances = 2
  }

  assert {
    condition     = aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live" && aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 2
    error_message = "the warm instances do not belong to the alias"
  }
}

run "more_warm_instances_than_instances_are_rejected" {
  command = plan

  variables {
    min_instances = 4
  }

  expect_failures = [var.min_instances]
}

run "a_timeout_beyond_lambdas_limit_is_rejected" {
  command = plan

  variables {
    timeout_seconds = 3600
  }

  expect_failures = [var.timeout_seconds]
}

run "a_zone_instead_of_a_region_is_rejected" {
  command = plan

  variables {
    region = "eu-central-1a"
  }

  expect_failures = [var.region]
}

run "an_absent_image_keeps_the_function" {
  command = plan

  variables {
    image = null
  }

  assert {
    condition     = data.aws_ecr_image.newest[0].most_recent && length(aws_lambda_function.chat) == 1 && length(aws_lambda_function_url.chat) == 1
    error_message = "a lost file of variables would delete the function and its URL"
  }
}

run "the_function_is_protected_from_deletion" {
  command = plan

  assert {
    condition     = terraform_data.protection[0].input == true
    error_message = "one apply could delete the function and its URL"
  }
}

run "warm_instances_wait_for_their_model" {
  command = plan

  variables {
    min_instances = 1
  }

  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_READINESS_CHECK_PATH"] == "/health/ready"
    error_message = "a warm instance would count as started without its model"
  }
  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_ASYNC_INIT"] == "false"
    error_message = "a warm instance would be frozen after 9.8 s of its load"
  }
}

run "warm_instances_without_a_model_are_rejected" {
  command = plan

  variables {
    min_instances     = 1
    startup_waits_for = "port"
  }

  expect_failures = [var.startup_waits_for]
}

run "a_setting_that_is_not_a_number_is_rejected" {
  command = plan

  variables {
    env = { N_CTX = "abc" }
  }

  expect_failures = [var.env]
}

run "an_image_of_another_region_is_rejected" {
  command = plan

  variables {
    image = "123456789012.dkr.ecr.us-east-1.amazonaws.com/chat:v1"
  }

  expect_failures = [var.image]
}

run "a_model_is_baked_in_by_the_documented_command" {
  command = plan

  variables {
    baked_model = "models/m.gguf"
  }

  assert {
    condition     = strcontains(output.push, "--build-arg MODEL=models/m.gguf") && strcontains(output.push, "--build-arg REVISION=$(git rev-parse HEAD)")
    error_message = "the image would be built without its model, or could not be traced to a commit"
  }
}

run "a_rollback_names_an_earlier_image" {
  command = plan

  assert {
    condition     = strcontains(output.rollback, "apply -var image=123456789012.dkr.ecr.eu-central-1.amazonaws.com/chat:$${TAG:?}")
    error_message = "there is no command that deploys an earlier image"
  }
}

run "a_version_is_smoke_tested_before_the_url_calls_it" {
  command = plan

  assert {
    condition     = length(terraform_data.smoke) == 1
    error_message = "a version that cannot answer would be served"
  }
}

run "the_smoke_test_can_be_left_out" {
  command = plan

  variables {
    smoke_test = false
  }

  assert {
    condition     = length(terraform_data.smoke) == 0
    error_message = "a machine without the AWS CLI could not apply"
  }
}

run "instances_start_as_copies_with_the_model_in_memory" {
  command = plan

  variables {
    snapstart = true
    env       = { N_CTX = "2048" }
  }

  assert {
    condition     = aws_lambda_function.chat[0].snap_start[0].apply_on == "PublishedVersions" && aws_lambda_function.chat[0].publish
    error_message = "only published versions are copied"
  }
  assert {
    condition     = aws_lambda_function.chat[0].ephemeral_storage[0].size == 512 && aws_lambda_function.chat[0].environment[0].variables["MODEL_CACHE"] == "memory"
    error_message = "SnapStart accepts no larger disk, and the model would not fit on it"
  }
  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_ASYNC_INIT"] == "false" && aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_READINESS_CHECK_PATH"] == "/snapstart/loaded"
    error_message = "the copy would be stored before the model is loaded"
  }
  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_SNAPSTART_BEFORE_CHECKPOINT_PATH"] == "/snapstart/before" && aws_lambda_function.chat[0].environment[0].variables["AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH"] == "/snapstart/after"
    error_message = "the adapter would not prepare or renew the instance"
  }
  assert {
    condition     = length(aws_lambda_provisioned_concurrency_config.live) == 0 && length(terraform_data.old_versions) == 1
    error_message = "the copies of old versions would be billed"
  }
}

run "without_snapstart_nothing_is_copied" {
  command = plan

  assert {
    condition     = length(aws_lambda_function.chat[0].snap_start) == 0 && length(terraform_data.old_versions) == 0 && !contains(keys(aws_lambda_function.chat[0].environment[0].variables), "AWS_LWA_SNAPSTART_AFTER_RESTORE_PATH")
    error_message = "SnapStart costs money without being asked for"
  }
}

run "copies_and_warm_instances_together_are_rejected" {
  command = plan

  variables {
    snapstart     = true
    min_instances = 1
  }

  expect_failures = [var.min_instances]
}

run "copies_with_a_model_on_the_disk_are_rejected" {
  command = plan

  variables {
    snapstart = true
    env       = { MODEL_CACHE = "directory" }
  }

  expect_failures = [var.env]
}

run "copies_that_wait_for_something_else_are_rejected" {
  command = plan

  variables {
    snapstart         = true
    startup_waits_for = "port"
  }

  expect_failures = [var.startup_waits_for]
}
