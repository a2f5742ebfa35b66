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
}

run "no_budget_by_default" {
  command = plan

  assert {
    condition     = length(aws_budgets_budget.month) == 0
    error_message = "an apply would need access to billing"
  }
}

run "a_budget_reports_before_and_after_it_is_spent" {
  command = plan

  variables {
    monthly_budget = 20
    alert_emails   = ["ann@example.com"]
  }

  assert {
    condition     = toset([for n in aws_budgets_budget.month[0].notification : "${n.notification_type} ${n.threshold}"]) == toset(["ACTUAL 50", "ACTUAL 100", "FORECASTED 100"])
    error_message = "the report would come too late"
  }
}

run "a_budget_that_reports_to_nobody_is_rejected" {
  command = plan

  variables {
    monthly_budget = 20
  }

  expect_failures = [var.monthly_budget]
}

run "a_key_of_your_own_encrypts_models_images_and_settings" {
  command = plan

  variables {
    kms_key = "arn:aws:kms:eu-central-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  assert {
    condition = (
      one(aws_s3_bucket_server_side_encryption_configuration.models.rule).apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key &&
      aws_ecr_repository.images.encryption_configuration[0].kms_key == var.kms_key &&
      aws_lambda_function.chat[0].kms_key_arn == var.kms_key
    )
    error_message = "something is encrypted with another key"
  }
  assert {
    condition     = strcontains(jsonencode(data.aws_iam_policy_document.run.statement), "kms:Decrypt")
    error_message = "the function may not read its model"
  }
}

run "a_key_of_another_region_is_rejected" {
  command = plan

  variables {
    kms_key = "arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555"
  }

  expect_failures = [var.kms_key]
}
