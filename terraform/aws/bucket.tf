resource "aws_s3_bucket" "models" {
  bucket        = "${var.name}-models-${data.aws_caller_identity.me.account_id}-${var.region}"
  force_destroy = var.force_destroy
}

resource "aws_s3_bucket_public_access_block" "models" {
  bucket                  = aws_s3_bucket.models.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "models" {
  bucket = aws_s3_bucket.models.id
  rule {
    object_ownership = "BucketOwnerEnforced" # no ACLs
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "models" {
  bucket = aws_s3_bucket.models.id
  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.kms_key == null ? "AES256" : "aws:kms"
      kms_master_key_id = var.kms_key
    }
    bucket_key_enabled = var.kms_key == null ? null : true # a key for the bucket, not a request to KMS for each object
  }
}

# An instance that is reading a model keeps reading that version while a new one is uploaded.
resource "aws_s3_bucket_versioning" "models" {
  bucket = aws_s3_bucket.models.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_lifecycle_configuration" "models" {
  bucket = aws_s3_bucket.models.id
  rule {
    id     = "delete-old-versions"
    status = "Enabled"
    filter {}
    noncurrent_version_expiration {
      noncurrent_days = 7
    }
    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }

  depends_on = [aws_s3_bucket_versioning.models]
}

data "aws_iam_policy_document" "tls_only" {
  statement {
    sid       = "TlsOnly"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [aws_s3_bucket.models.arn, "${aws_s3_bucket.models.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}

resource "aws_s3_bucket_policy" "models" {
  bucket = aws_s3_bucket.models.id
  policy = data.aws_iam_policy_document.tls_only.json

  depends_on = [aws_s3_bucket_public_access_block.models] # two simultaneous changes of one bucket conflict
}

# The upload is a command, not a managed object: the provider would delete all versions of the model as soon as model_file or
# model changes. A machine without the file plans nothing.
resource "terraform_data" "model" {
  count = var.model_file == null ? 0 : 1

  triggers_replace = [aws_s3_bucket.models.bucket, var.model]

  provisioner "local-exec" {
    # The checksum is of the whole object, so that a fetch can verify it.
    command = "aws s3 cp \"$file\" \"$object\" --region ${var.region} --checksum-algorithm CRC64NVME --no-progress"
    environment = {
      file   = var.model_file
      object = "s3://${aws_s3_bucket.models.bucket}/${var.model}"
    }
  }

  depends_on = [aws_s3_bucket_versioning.models]
}

# Version 0.1 managed the model's object. It stays in the bucket, and only leaves the state.
removed {
  from = aws_s3_object.model

  lifecycle {
    destroy = false
  }
}
