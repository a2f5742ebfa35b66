data "aws_iam_policy_document" "assumed_by" {
  for_each = toset(["lambda", "scheduler"])

  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["${each.value}.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "run" {
  name               = "${var.name}-run-${var.region}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by["lambda"].json
}

data "aws_iam_policy_document" "run" {
  statement {
    sid       = "ReadModels"
    actions   = ["s3:GetObject", "s3:GetObjectVersion"]
    resources = ["${aws_s3_bucket.models.arn}/*"]
  }

  statement {
    sid       = "DistinguishMissingFromForbidden" # without it, the response for a missing object is 403
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.models.arn]
  }

  dynamic "statement" {
    for_each = local.model_arn == null ? [] : [local.model_arn]
    content {
      sid       = "ReadModelElsewhere"
      actions   = ["s3:GetObject", "s3:GetObjectVersion"]
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.kms_key == null ? [] : [var.kms_key]
    content {
      sid       = "UseKey"
      actions   = concat(["kms:Decrypt"], var.snapshot ? ["kms:GenerateDataKey"] : [])
      resources = [statement.value]
    }
  }

  dynamic "statement" {
    for_each = var.snapshot ? [local.model_name] : []
    content {
      sid       = "WriteSnapshot"
      actions   = ["s3:PutObject", "s3:AbortMultipartUpload"]
      resources = ["${aws_s3_bucket.models.arn}/${statement.value}.snapshot"]
    }
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.chat.arn}:*"]
  }

  dynamic "statement" {
    for_each = var.api_key_parameter == null ? [] : [trimprefix(var.api_key_parameter, "/")]
    content {
      sid     = "ReadKey"
      actions = ["ssm:GetParameter"]
      resources = [
        "arn:${data.aws_partition.here.partition}:ssm:${var.region}:${data.aws_caller_identity.me.account_id}:parameter/${statement.value}",
      ]
    }
  }
}

resource "aws_iam_role_policy" "run" {
  name   = "run"
  role   = aws_iam_role.run.id
  policy = data.aws_iam_policy_document.run.json
}
