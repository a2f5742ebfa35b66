# GitHub Actions deploys with a role of its own, without a stored key: GitHub signs who a workflow is, and the role believes it
# for the main branch of one repository.

locals {
  github_issuer = "token.actions.githubusercontent.com"
}

resource "aws_iam_openid_connect_provider" "github" {
  count = var.github_repository == null || var.github_provider_arn != null ? 0 : 1

  url            = "https://${local.github_issuer}"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "assumed_by_github" {
  count = var.github_repository == null ? 0 : 1

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]
    principals {
      type        = "Federated"
      identifiers = [coalesce(var.github_provider_arn, one(aws_iam_openid_connect_provider.github[*].arn))]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.github_issuer}:aud"
      values   = ["sts.amazonaws.com"]
    }
    condition {
      test     = "StringEquals"
      variable = "${local.github_issuer}:sub"
      values   = ["repo:${coalesce(var.github_repository, "-")}:ref:refs/heads/main"]
    }
  }
}

data "aws_iam_policy_document" "github" {
  count = var.github_repository == null ? 0 : 1

  statement {
    sid       = "LogIn"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [aws_ecr_repository.images.arn]
  }

  statement {
    sid = "Deploy"
    actions = [
      "lambda:DeleteFunction", "lambda:GetFunction", "lambda:GetFunctionConfiguration", "lambda:InvokeFunction",
      "lambda:GetAlias", "lambda:ListVersionsByFunction", "lambda:UpdateAlias", "lambda:UpdateFunctionCode",
    ]
    resources = [for suffix in ["", ":*"] :
      "arn:${data.aws_partition.here.partition}:lambda:${var.region}:${data.aws_caller_identity.me.account_id}:function:${var.name}${suffix}"
    ]
  }

  statement {
    sid       = "DeleteVersionsOnly"
    effect    = "Deny"
    actions   = ["lambda:DeleteFunction"]
    resources = ["arn:${data.aws_partition.here.partition}:lambda:${var.region}:${data.aws_caller_identity.me.account_id}:function:${var.name}"]
  }
}

resource "aws_iam_role" "github" {
  count = var.github_repository == null ? 0 : 1

  name               = "${var.name}-github-${var.region}"
  assume_role_policy = data.aws_iam_policy_document.assumed_by_github[0].json
}

resource "aws_iam_role_policy" "github" {
  count = var.github_repository == null ? 0 : 1

  name   = "deploy"
  role   = aws_iam_role.github[0].id
  policy = data.aws_iam_policy_document.github[0].json
}
