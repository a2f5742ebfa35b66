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
  on_disk    = !var.snapstart && lookup(var.env, "MODEL_CACHE", "directory") != "memory"
}

# Without `image`, the image that was pushed last, by digest. A plan does not depend on a file that can be lost.
data "aws_ecr_image" "newest" {
  count = var.bootstrap || var.image != null ? 0 : 1

  repository_name = aws_ecr_repository.images.name
  most_recent     = true
}

locals {
  image = var.image != null ? var.image : one(data.aws_ecr_image.newest[*].image_uri)
}

resource "aws_lambda_function" "chat" {
  count = var.bootstrap ? 0 : 1

  function_name                  = var.name
  role                           = aws_iam_role.run.arn
  package_type                   = "Image"
  image_uri                      = local.image
  architectures                  = [var.architecture]
  memory_size                    = var.memory_mib
  timeout                        = var.timeout_seconds
  reserved_concurrent_executions = coalesce(var.max_instances, -1)
  kms_key_arn                    = var.kms_key
  publish                        = true # the alias below points at complete versions, never at one in the middle of a change

  ephemeral_storage {
    size = var.snapstart ? 512 : var.disk_mib # the most that SnapStart accepts
  }

  # Copies start from published versions, which the alias names. The provider's source has no condition on package_type.
  dynamic "snap_start" {
    for_each = var.snapstart ? [true] : []

    content {
      apply_on = "PublishedVersions"
    }
  }

  timeouts {
    create = "30m" # a version with SnapStart is published after its init, which loads the model
    update = "30m"
  }

  environment {
    variables = local.environment
  }

  logging_config {
    log_format = "Text" # lines arrive as the function writes them, in JSON
    log_group  = aws_cloudwatch_log_group.chat.name
  }

  depends_on = [aws_iam_role_policy.run, terraform_data.model]
}

# A new version, with another image, model or setting, has to produce a token before the alias moves to it. If it does not, the
# apply fails, and the version before it continues to serve.
resource "terraform_data" "smoke" {
  count = var.bootstrap || !var.smoke_test ? 0 : 1

  provisioner "local-exec" {
    command = "sh ${path.module}/smoke.sh"
    environment = {
      FUNCTION        = var.name
      VERSION         = aws_lambda_function.chat[0].version
      REGION          = var.region
      TIMEOUT_SECONDS = tostring(var.timeout_seconds)
    }
  }

  lifecycle {
    replace_triggered_by = [aws_lambda_function.chat[0]]
  }
}

resource "aws_lambda_alias" "live" {
  count = var.bootstrap ? 0 : 1

  name             = "live"
  description      = "Target of the URL and of the warmup pings"
  function_name    = aws_lambda_function.chat[0].function_name
  function_version = aws_lambda_function.chat[0].version

  depends_on = [terraform_data.smoke]
}

# Each version with SnapStart has a stored copy, which is billed until the version is deleted.
resource "terraform_data" "old_versions" {
  count = var.bootstrap || !var.snapstart ? 0 : 1

  triggers_replace = [aws_lambda_alias.live[0].function_version]

  provisioner "local-exec" {
    command = "sh ${path.module}/clean.sh"
    environment = {
      FUNCTION = var.name
      REGION   = var.region
    }
  }
}

resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.bootstrap || var.min_instances == 0 ? 0 : 1

  function_name                     = aws_lambda_function.chat[0].function_name
  qualifier                         = aws_lambda_alias.live[0].name
  provisioned_concurrent_executions = var.min_instances
}

# Lambda has no deletion protection. This resource depends on the endpoint, so it is destroyed first; while it is protected,
# its destruction fails, and with it the whole apply or destroy.
resource "terraform_data" "protection" {
  count = var.bootstrap ? 0 : 1

  input = var.deletion_protection

  provisioner "local-exec" {
    when    = destroy
    command = self.output ? "echo 'deletion_protection is true: set it to false and apply first.' >&2; exit 1" : "true"
  }

  depends_on = [
    aws_cloudwatch_metric_alarm.alarm,
    aws_lambda_function_event_invoke_config.live,
    aws_lambda_function_url.chat,
    aws_lambda_permission.invoke,
    aws_lambda_permission.url,
    aws_lambda_provisioned_concurrency_config.live,
    aws_s3_bucket_policy.models,
    aws_scheduler_schedule.warmup,
  ]
}
