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
  region          = "eu-central-1"
  image           = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/chat:v1"
  model           = "m.gguf"
  warmup_schedule = "rate(10 minutes)"
}

run "the_ping_has_a_role_of_its_own" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.warmup[0].target[0].role_arn == aws_iam_role.warmup[0].arn && aws_iam_role.warmup[0].name != aws_iam_role.run.name
    error_message = "the ping does not use its own role"
  }
  assert {
    condition     = data.aws_iam_policy_document.warmup[0].statement[0].resources == toset([aws_lambda_alias.live[0].arn])
    error_message = "the ping may call other functions"
  }
}

run "the_ping_reaches_the_instances_of_callers" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.warmup[0].target[0].arn == aws_lambda_alias.live[0].arn
    error_message = "a different version would be kept warm"
  }
  assert {
    condition     = can(jsondecode(aws_scheduler_schedule.warmup[0].target[0].input)) && !can(jsondecode(aws_scheduler_schedule.warmup[0].target[0].input).requestContext)
    error_message = "the adapter would treat the event as a request"
  }
}

run "a_failed_ping_is_not_repeated" {
  command = plan

  assert {
    condition     = aws_scheduler_schedule.warmup[0].target[0].retry_policy[0].maximum_retry_attempts == 0
    error_message = "the schedule would repeat it"
  }
  assert {
    condition     = aws_lambda_function_event_invoke_config.live[0].maximum_retry_attempts == 0
    error_message = "pings would pile up on a function that is down"
  }
}

run "a_schedule_with_a_wrong_syntax_is_rejected" {
  command = plan

  variables {
    warmup_schedule = "*/10 * * * *"
  }

  expect_failures = [var.warmup_schedule]
}

run "failures_throttles_and_waiting_raise_alarms" {
  command = plan

  variables {
    alert_emails = ["ann@example.com"]
  }

  assert {
    condition     = toset(keys(aws_cloudwatch_metric_alarm.alarm)) == toset(["errors", "server_errors", "error_lines", "throttles", "latency"])
    error_message = "an alarm is missing"
  }
  assert {
    condition     = alltrue([for a in aws_cloudwatch_metric_alarm.alarm : a.alarm_actions == toset(["arn:aws:sns:eu-central-1:123456789012:chat-alarms"])])
    error_message = "the alert has no recipient"
  }
  assert {
    condition     = alltrue([for a in aws_cloudwatch_metric_alarm.alarm : a.dimensions["FunctionName"] == "chat" && a.treat_missing_data == "notBreaching"])
    error_message = "other functions, or a lack of requests, would raise the alarm"
  }
}

run "without_addresses_there_is_no_topic" {
  command = plan

  assert {
    condition     = length(aws_sns_topic.alarms) == 0 && alltrue([for a in aws_cloudwatch_metric_alarm.alarm : length(a.alarm_actions) == 0])
    error_message = "there is a topic without subscribers"
  }
}

run "logs_are_kept_for_a_month" {
  command = plan

  assert {
    condition     = aws_lambda_function.chat[0].logging_config[0].log_group == "/aws/lambda/chat" && aws_cloudwatch_log_group.chat.retention_in_days == 30
    error_message = "logs are kept forever, or in another group"
  }
}

run "a_tag_is_never_moved_to_another_image" {
  command = plan

  assert {
    condition     = aws_ecr_repository.images.image_tag_mutability == "IMMUTABLE"
    error_message = "terraform would not detect a new image"
  }
}

run "a_rate_of_one_minutes_is_rejected" {
  command = plan

  variables {
    warmup_schedule = "rate(1 minutes)"
  }

  expect_failures = [var.warmup_schedule]
}

run "a_model_that_cannot_be_loaded_raises_an_alarm" {
  command = plan

  assert {
    condition     = aws_cloudwatch_metric_alarm.alarm["error_lines"].namespace == "GgufChat" && aws_cloudwatch_metric_alarm.alarm["error_lines"].metric_name == "ErrorLines"
    error_message = "a stream that ends in an error is a 200, which no metric of the platform counts"
  }
}

run "only_the_main_branch_of_one_repository_deploys" {
  command = plan

  variables {
    github_repository = "ann/chat"
  }

  override_resource {
    target          = aws_iam_openid_connect_provider.github[0]
    override_during = plan
    values          = { arn = "arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com" }
  }
  override_resource {
    target          = aws_iam_role.github[0]
    override_during = plan
    values          = { arn = "arn:aws:iam::123456789012:role/chat-github-eu-central-1" }
  }

  assert {
    condition     = strcontains(jsonencode(data.aws_iam_policy_document.assumed_by_github[0].statement), "repo:ann/chat:ref:refs/heads/main")
    error_message = "another repository or branch could deploy"
  }
  assert {
    condition     = !strcontains(jsonencode(data.aws_iam_policy_document.github[0].statement), "iam:")
    error_message = "a workflow could give itself permissions"
  }
  assert {
    condition     = strcontains(output.github_variables, "--repo ann/chat")
    error_message = "the workflow would have no variables"
  }
}
