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

# The figures of a 7B model in Q8_0 at 4096 tokens of context.
variables {
  region             = "eu-central-1"
  image              = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/chat:v1"
  model              = "llama-2-7b.Q8_0.gguf"
  model_bytes        = 7161089728
  model_memory_bytes = 2684354560
}

run "a_model_that_does_not_fit_is_rejected" {
  command = plan

  variables {
    memory_mib = 8192
  }

  expect_failures = [var.memory_mib]
}

run "a_model_that_fits_is_accepted" {
  command = plan

  variables {
    memory_mib = 10240
  }

  assert {
    condition     = aws_lambda_function.chat[0].memory_size == 10240 && aws_lambda_function.chat[0].ephemeral_storage[0].size == 10240
    error_message = "the instance has different memory or a different disk from the checked ones"
  }
}

run "a_file_larger_than_its_disk_is_rejected" {
  command = plan

  variables {
    memory_mib = 10240
    disk_mib   = 4096
  }

  expect_failures = [var.disk_mib]
}

run "a_file_in_memory_needs_no_disk" {
  command = plan

  variables {
    memory_mib = 10240
    disk_mib   = 512
    env        = { MODEL_CACHE = "memory" }
  }

  assert {
    condition     = aws_lambda_function.chat[0].ephemeral_storage[0].size == 512
    error_message = "the instance has a different disk from disk_mib"
  }
}

run "more_memory_than_lambda_has_is_rejected" {
  command = plan

  variables {
    memory_mib = 16384
  }

  expect_failures = [var.memory_mib]
}

run "half_a_plan_is_rejected" {
  command = plan

  variables {
    model_memory_bytes = null
  }

  expect_failures = [var.model_memory_bytes]
}

run "without_a_plan_nothing_is_checked" {
  command = plan

  variables {
    model_bytes        = null
    model_memory_bytes = null
    memory_mib         = 2048
  }

  assert {
    condition     = length(aws_lambda_function.chat) == 1
    error_message = "a model of unknown size was rejected"
  }
}

run "a_model_that_does_not_fit_is_rejected_before_it_is_uploaded" {
  command = plan

  variables {
    bootstrap  = true
    memory_mib = 8192
  }

  expect_failures = [var.memory_mib]
}
