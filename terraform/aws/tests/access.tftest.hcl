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

run "private_by_default" {
  command = plan

  assert {
    condition     = aws_lambda_function_url.chat[0].authorization_type == "AWS_IAM"
    error_message = "the URL does not require a signature"
  }
  assert {
    condition     = length(aws_lambda_permission.url) == 0 && length(aws_lambda_permission.invoke) == 0
    error_message = "callers outside the account are allowed"
  }
}

run "only_the_invokers_may_call" {
  command = plan

  variables {
    invokers = ["210987654321", "arn:aws:iam::123456789012:role/app"]
  }

  assert {
    condition     = toset([for p in aws_lambda_permission.url : p.principal]) == toset(var.invokers)
    error_message = "the allowed callers differ from invokers"
  }
  assert {
    condition     = alltrue([for p in aws_lambda_permission.url : p.function_url_auth_type == "AWS_IAM"])
    error_message = "a permission would hold for unsigned calls"
  }
}

run "a_caller_through_the_url_has_both_permissions" {
  command = plan

  variables {
    invokers = ["210987654321"]
  }

  assert {
    condition     = toset(keys(aws_lambda_permission.url)) == toset(keys(aws_lambda_permission.invoke))
    error_message = "new URLs reject callers with only one of the permissions"
  }
  assert {
    condition     = alltrue([for p in aws_lambda_permission.invoke : p.action == "lambda:InvokeFunction" && p.invoked_via_function_url])
    error_message = "the second permission would also allow calls that bypass the URL"
  }
  assert {
    condition     = alltrue([for p in aws_lambda_permission.invoke : p.qualifier == "live"]) && alltrue([for p in aws_lambda_permission.url : p.qualifier == "live"])
    error_message = "the permissions are not on the alias"
  }
}

run "the_public_as_an_invoker_is_rejected" {
  command = plan

  variables {
    invokers = ["*"]
  }

  expect_failures = [var.invokers]
}

run "public_without_a_key_is_rejected" {
  command = plan

  variables {
    access = "api_key"
  }

  expect_failures = [var.access]
}

run "public_with_a_key" {
  command = plan

  variables {
    access            = "api_key"
    api_key_parameter = "/chat/key"
  }

  assert {
    condition     = aws_lambda_function_url.chat[0].authorization_type == "NONE" && keys(aws_lambda_permission.url) == ["*"]
    error_message = "the platform would require a signature"
  }
  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["API_KEY_PARAMETER"] == "/chat/key" && !contains(keys(aws_lambda_function.chat[0].environment[0].variables), "API_KEY")
    error_message = "the function does not know the place of its key, or the key is readable in the environment"
  }
  assert {
    condition     = one([for s in data.aws_iam_policy_document.run.statement : one(s.resources) if s.sid == "ReadKey"]) == "arn:aws:ssm:eu-central-1:123456789012:parameter/chat/key"
    error_message = "the function may not read its key, or may read others"
  }
}

run "a_private_function_may_have_a_key_as_well" {
  command = plan

  variables {
    api_key_parameter = "/chat/key"
  }

  assert {
    condition     = aws_lambda_function_url.chat[0].authorization_type == "AWS_IAM"
    error_message = "the key made the function public"
  }
  assert {
    condition     = strcontains(output.curl, "--aws-sigv4") && strcontains(output.curl, "X-Api-Key: ") && !strcontains(output.curl, "-H \"Authorization")
    error_message = "the signature and the key would collide in one header"
  }
}

run "reads_only_the_model_bucket" {
  command = plan

  assert {
    condition     = toset(flatten([for s in data.aws_iam_policy_document.run.statement : s.resources if s.sid != "WriteLogs"])) == toset(["arn:aws:s3:::models", "arn:aws:s3:::models/*"])
    error_message = "the function may read more than its bucket"
  }
  assert {
    condition     = alltrue([for a in flatten([for s in data.aws_iam_policy_document.run.statement : s.actions]) : contains(["s3:GetObject", "s3:GetObjectVersion", "s3:ListBucket", "logs:CreateLogStream", "logs:PutLogEvents"], a)])
    error_message = "the function may do more than read models and write its log"
  }
}

run "the_bucket_is_private_and_keeps_versions" {
  command = plan

  assert {
    condition     = alltrue([aws_s3_bucket_public_access_block.models.block_public_acls, aws_s3_bucket_public_access_block.models.block_public_policy, aws_s3_bucket_public_access_block.models.ignore_public_acls, aws_s3_bucket_public_access_block.models.restrict_public_buckets])
    error_message = "the bucket could be opened to the public"
  }
  assert {
    condition     = aws_s3_bucket_versioning.models.versioning_configuration[0].status == "Enabled"
    error_message = "an upload would delete the version that an instance is reading"
  }
  assert {
    condition     = !aws_s3_bucket.models.force_destroy
    error_message = "models would be deleted without confirmation"
  }
}

run "the_bucket_is_encrypted_and_speaks_tls_only" {
  command = plan

  assert {
    condition     = one(aws_s3_bucket_server_side_encryption_configuration.models.rule).apply_server_side_encryption_by_default[0].sse_algorithm == "AES256"
    error_message = "models are not encrypted"
  }
  assert {
    condition     = data.aws_iam_policy_document.tls_only.statement[0].effect == "Deny" && one(data.aws_iam_policy_document.tls_only.statement[0].condition).variable == "aws:SecureTransport"
    error_message = "plain HTTP is not rejected"
  }
}

run "a_local_file_becomes_the_model" {
  command = plan

  variables {
    model_file = "/models/m.gguf"
  }

  assert {
    condition     = terraform_data.model[0].triggers_replace == ["chat-models-123456789012-eu-central-1", "m.gguf"]
    error_message = "the uploaded object is not the one in MODEL_URI"
  }
}

run "a_file_without_a_name_is_rejected" {
  command = plan

  variables {
    model      = null
    model_file = "/models/m.gguf"
  }

  expect_failures = [var.model_file]
}

run "a_uri_instead_of_a_name_is_rejected" {
  command = plan

  variables {
    model = "s3://elsewhere/m.gguf"
  }

  expect_failures = [var.model]
}

run "nothing_is_written_by_default" {
  command = plan

  assert {
    condition     = !contains([for s in data.aws_iam_policy_document.run.statement : s.sid], "WriteSnapshot") && !contains(keys(aws_lambda_function.chat[0].environment[0].variables), "SNAPSHOT")
    error_message = "an instance may write, or would try to"
  }
}

run "a_snapshot_is_the_one_object_that_may_be_written" {
  command = plan

  variables {
    snapshot = true
    env      = { SYSTEM_PROMPT = "Be brief." }
  }

  assert {
    condition     = one([for s in data.aws_iam_policy_document.run.statement : s.resources if s.sid == "WriteSnapshot"]) == toset(["arn:aws:s3:::models/m.gguf.snapshot"])
    error_message = "the function may write other objects"
  }
  assert {
    condition     = aws_lambda_function.chat[0].environment[0].variables["SNAPSHOT"] == "auto"
    error_message = "the function does not store a snapshot"
  }
}

run "a_snapshot_without_a_prompt_is_rejected" {
  command = plan

  variables {
    snapshot = true
  }

  expect_failures = [var.snapshot]
}

run "public_without_a_key_is_rejected_before_anything_is_uploaded" {
  command = plan

  variables {
    bootstrap = true
    access    = "api_key"
  }

  expect_failures = [var.access]
}

run "invokers_of_a_function_with_a_key_are_rejected" {
  command = plan

  variables {
    access            = "api_key"
    api_key_parameter = "/chat/key"
    invokers          = ["210987654321"]
  }

  expect_failures = [var.invokers]
}

run "the_first_part_of_a_split_model_is_rejected" {
  command = plan

  variables {
    model_file = "/models/m-00001-of-00003.gguf"
  }

  expect_failures = [var.model_file]
}

run "a_signed_call_sends_a_session_token_only_if_there_is_one" {
  command = plan

  assert {
    condition     = strcontains(output.curl, "$${AWS_SESSION_TOKEN:+-H \"X-Amz-Security-Token: $AWS_SESSION_TOKEN\"}")
    error_message = "curl would sign an empty header and not send it, and the platform would reject the signature"
  }
  assert {
    condition     = startswith(output.curl, "eval \"$(aws configure export-credentials --format env)\" && curl ")
    error_message = "curl has no keys after a login with a profile"
  }
}

run "a_model_may_lie_in_any_bucket" {
  command = plan

  variables {
    model     = null
    model_uri = "s3://others/llama/m-00001-of-00002.gguf"
  }

  assert {
    condition     = local.environment["MODEL_URI"] == "s3://others/llama/m-00001-of-00002.gguf"
    error_message = "the function would read another model"
  }
  assert {
    condition     = strcontains(jsonencode(data.aws_iam_policy_document.run.statement), "arn:aws:s3:::others/llama/m-*-of-00002.gguf")
    error_message = "the function may not read all parts of its model"
  }
  assert {
    condition     = jsondecode(output.model_access).Resource == "arn:aws:s3:::others/llama/m-*-of-00002.gguf"
    error_message = "the owner in another account is not given the statement"
  }
}

run "a_model_may_lie_on_hugging_face_or_the_web" {
  command = plan

  variables {
    model     = null
    model_uri = "hf://owner/repository/m.gguf"
  }

  assert {
    condition     = local.environment["MODEL_URI"] == "hf://owner/repository/m.gguf" && output.model_access == null
    error_message = "the function would read another model, or a grant is asked for that is not needed"
  }
}

run "a_model_of_the_other_cloud_is_rejected" {
  command = plan

  variables {
    model     = null
    model_uri = "gs://others/m.gguf"
  }

  expect_failures = [var.model_uri]
}

run "a_signed_url_that_expires_is_rejected" {
  command = plan

  variables {
    model     = null
    model_uri = "https://bucket.example.com/m.gguf?X-Amz-Signature=0"
  }

  expect_failures = [var.model_uri]
}

run "two_models_are_rejected" {
  command = plan

  variables {
    model     = "m.gguf"
    model_uri = "hf://owner/repository/m.gguf"
  }

  expect_failures = [var.model_uri]
}

run "an_adapter_that_may_not_be_read_is_rejected" {
  command = plan

  variables {
    env = { LORA_URI = "s3://others/a.gguf" }
  }

  expect_failures = [var.env]
}

run "an_adapter_in_the_bucket_is_accepted" {
  command = plan

  variables {
    env = { LORA_URI = "s3://chat-models-123456789012-eu-central-1/a.gguf" }
  }

  assert {
    condition     = local.environment["LORA_URI"] == "s3://chat-models-123456789012-eu-central-1/a.gguf"
    error_message = "the function would run without its adapter"
  }
}
