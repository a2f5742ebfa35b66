resource "aws_cloudwatch_log_group" "chat" {
  name              = "/aws/lambda/${var.name}"
  retention_in_days = 30
}

locals {
  mib = 1048576

  # The weights are mapped, not copied: the file's pages in the page cache are the weights.
  fit_known  = var.model_bytes != null
  model_mib  = ceil(coalesce(var.model_bytes, 0) / local.mib)
  needed_mib = local.model_mib + ceil(coalesce(var.model_memory_bytes, 0) / local.mib)
  on_disk    = lookup(var.env, "MODEL_CACHE", "directory") != "memory"
}

resource "aws_lambda_function" "chat" {
  count = var.image == null ? 0 : 1

  function_name                  = var.name
  role                           = aws_iam_role.run.arn
  package_type                   = "Image"
  image_uri                      = var.image
  architectures                  = [var.architecture]
  memory_size                    = var.memory_mib
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = coalesce(var.max_instances, -1)
  publish                        = true # the alias below points at complete versions, never at one in the middle of a change

  ephemeral_storage {
    size = var.disk_mib
  }

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "Text" # lines arrive as the function writes them, in JSON
    log_group  = aws_cloudwatch_log_group.chat.name
  }

  lifecycle {
    precondition {
      condition     = var.access == "private" || var.api_key_parameter != null
      error_message = "access = \"api_key\" opens the function to everyone, so it needs api_key_parameter."
    }

    precondition {
      condition     = !local.fit_known || local.needed_mib <= var.memory_mib
      error_message = "The model does not fit: it needs ${local.needed_mib} MiB and an instance has memory_mib = ${var.memory_mib}. Raise memory_mib (10240 at most), lower N_CTX and plan again, or use a stronger quantisation."
    }

    precondition {
      condition     = !local.fit_known || !local.on_disk || local.model_mib <= var.disk_mib
      error_message = "The model's file has ${local.model_mib} MiB, but disk_mib is ${var.disk_mib}. Raise disk_mib, or set MODEL_CACHE = \"memory\" in env."
    }
  }

  depends_on = [aws_iam_role_policy.run, aws_s3_object.model]
}

resource "aws_lambda_alias" "live" {
  count = var.image == null ? 0 : 1

  name             = "live"
  description      = "Target of the URL and of the warmup pings"
  function_name    = aws_lambda_function.chat[0].function_name
  function_version = aws_lambda_function.chat[0].version
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.image == null || var.min_instances == 0 ? 0 : 1

  function_name                     = aws_lambda_function.chat[0].function_name
  qualifier                         = aws_lambda_alias.live[0].name
  provisioned_concurrent_executions = var.min_instances
}
