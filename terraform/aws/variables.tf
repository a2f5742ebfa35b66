variable "region" {
  description = "Region of all resources, such as eu-central-1."
  type        = string

  validation {
    condition     = can(regex("^[a-z]+(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a region's name, such as eu-central-1 (not a zone)."
  }
}

variable "name" {
  description = "Name of the function, and the prefix of every other name."
  type        = string
  default     = "chat"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,19}[a-z0-9]$", var.name))
    error_message = "name must have 2 to 21 lower-case letters, digits and hyphens, and begin with a letter."
  }
}

variable "bootstrap" {
  description = "Create everything except the function, so that there is a repository to push to. For the first apply only."
  type        = bool
  default     = false
}

variable "image" {
  description = "The function's image in the repository, with tag or digest. Null is the image that was pushed last. A new image is deployed without downtime."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("^[^\\s@]+(:[A-Za-z0-9_][A-Za-z0-9_.-]*|@sha256:[0-9a-f]{64})$", var.image))
    error_message = "image must have a tag or a digest: …/chat:v1 or …/chat@sha256:…"
  }

  validation {
    condition     = var.image == null || can(regex("^[0-9]{12}[.]dkr[.]ecr[.]${var.region}[.]amazonaws[.]com([.]cn)?/", var.image))
    error_message = "Lambda takes images from ECR in the function's region only: push the image to the repository of this module."
  }
}

variable "deletion_protection" {
  description = "Reject every apply and destroy that would delete the function and its URL. Set false and apply before a destroy."
  type        = bool
  default     = true
}

variable "baked_model" {
  description = "Path of a model, in the repository's folder models, that `push` bakes into the image instead of the default model, such as models/m.gguf; `none` for an image without a model."
  type        = string
  default     = null

  validation {
    condition     = var.baked_model == null || can(regex("^(none|models/[A-Za-z0-9._-]+\\.gguf)$", var.baked_model))
    error_message = "baked_model must be a file in models, such as models/m.gguf, or none."
  }
}

variable "architecture" {
  description = "Architecture of the image: x86_64 or arm64."
  type        = string
  default     = "x86_64"

  validation {
    condition     = contains(["x86_64", "arm64"], var.architecture)
    error_message = "architecture must be x86_64 or arm64."
  }
}

variable "model" {
  description = "Object name of the model in the bucket, such as llama-2-7b.Q8_0.gguf. Null means model_uri, or the model in the image: the default one, or the one baked in."
  type        = string
  default     = null

  validation {
    condition     = var.model == null || can(regex("^[^/\\s:][^\\s:]*\\.gguf$", var.model))
    error_message = "model must be an object's name that ends in .gguf, without a scheme or a bucket."
  }
}

variable "model_uri" {
  description = "Model elsewhere, in place of model: `s3://bucket/name.gguf` in any bucket, also of another account; `hf://owner/repository/file.gguf`; `https://…`. The function may then read that object; output `model_access` is what a bucket of another account needs."
  type        = string
  default     = null

  validation {
    condition     = var.model_uri == null || can(regex("^(s3://[a-z0-9][a-z0-9._-]+/\\S+\\.gguf|hf://[^/\\s]+/\\S+|https://[^/\\s@]+/\\S+)$", var.model_uri))
    error_message = "model_uri must be s3://bucket/name.gguf, hf://owner/repository/file.gguf or https://host/path, without a password: the function has no keys of other clouds."
  }

  validation {
    condition     = var.model_uri == null || var.model == null
    error_message = "Set model, an object in this module's bucket, or model_uri, not both."
  }

  validation {
    condition     = var.model_uri == null || !can(regex("[?&](X-Amz-Signature|X-Goog-Signature|sig)=", var.model_uri))
    error_message = "model_uri is a signed URL: it expires, and the function could then start no instance. Grant access to the bucket instead."
  }
}

variable "model_file" {
  description = "A local file to upload once, under the name in model. To upload another file, change model as well. Null if the object is uploaded by other means."
  type        = string
  default     = null

  validation {
    condition     = var.model_file == null || var.model != null
    error_message = "model_file needs model, the object's name in the bucket."
  }

  validation {
    condition     = var.model_file == null || !can(regex("-00001-of-[0-9]{5}\\.gguf$", var.model_file))
    error_message = "model_file is one file, and this is the first part of several. Upload all parts with aws s3 cp."
  }
}

variable "snapshot" {
  description = "Let an instance that had to read SYSTEM_PROMPT itself store a snapshot in the bucket, under the model's name, for every later instance. It may write that one object and no other."
  type        = bool
  default     = false

  validation {
    condition     = !var.snapshot || (local.model_name != null && contains(keys(var.env), "SYSTEM_PROMPT"))
    error_message = "snapshot needs model or model_uri, whose name it gets, and SYSTEM_PROMPT in env, whose state it stores."
  }
}

variable "model_bytes" {
  description = "Size of the model's file in bytes, from `python -m function plan URI --tfvars`. Null skips the check that the model fits."
  type        = number
  default     = null

  validation {
    condition     = var.model_bytes == null || coalesce(var.model_bytes, 1) > 0
    error_message = "model_bytes must be a size in bytes, greater than 0."
  }
}

variable "model_memory_bytes" {
  description = "Memory in bytes that answering needs in addition to the model's file: KV cache, compute buffers, the program. From the same plan."
  type        = number
  default     = null

  validation {
    condition     = (var.model_memory_bytes == null) == (var.model_bytes == null) && coalesce(var.model_memory_bytes, 1) > 0
    error_message = "Set model_memory_bytes and model_bytes together, from `python -m function plan URI --tfvars`."
  }
}

variable "memory_mib" {
  description = "Memory of an instance in MiB. It determines the CPUs: one for each 1769 MiB. New accounts may be limited to 3008."
  type        = number
  default     = 8192

  validation {
    condition     = var.memory_mib >= 512 && var.memory_mib <= 10240
    error_message = "memory_mib must be between 512 and 10240."
  }

  validation {
    condition     = !local.fit_known || local.needed_mib <= var.memory_mib
    error_message = "The model does not fit: it needs ${local.needed_mib} MiB and an instance has memory_mib = ${var.memory_mib}. Raise memory_mib (10240 at most), lower N_CTX and plan again, or use a stronger quantisation."
  }
}

variable "disk_mib" {
  description = "Ephemeral disk of an instance in MiB: /tmp, which holds the model's file. With MODEL_CACHE = memory in env the file is kept in memory, and 512 is enough. With snapstart it is 512."
  type        = number
  default     = 10240

  validation {
    condition     = var.disk_mib >= 512 && var.disk_mib <= 10240
    error_message = "disk_mib must be between 512 and 10240."
  }

  validation {
    condition     = !local.fit_known || !local.on_disk || local.model_mib <= var.disk_mib
    error_message = "The model's file has ${local.model_mib} MiB, but disk_mib is ${var.disk_mib}. Raise disk_mib, or set MODEL_CACHE = \"memory\" in env."
  }
}

variable "min_instances" {
  description = "Number of instances that are kept running and billed (provisioned concurrency). They load their model before they count as started (see startup_waits_for)."
  type        = number
  default     = 0

  validation {
    condition     = var.min_instances >= 0 && var.min_instances <= coalesce(var.max_instances, 1000)
    error_message = "min_instances must be between 0 and max_instances."
  }

  validation {
    condition     = var.min_instances == 0 || !var.snapstart
    error_message = "Lambda has either provisioned concurrency or SnapStart: set min_instances = 0, or snapstart = false."
  }
}

variable "snapstart" {
  description = "Start instances as copies of one whose model is loaded (SnapStart). The model is in memory, not on the disk. The stored copy is billed as long as its version exists; see Costs."
  type        = bool
  default     = false
}

variable "max_instances" {
  description = "Maximum number of instances (reserved concurrency). Each answers one request at a time, so this is also the number of simultaneous replies. A warmup ping that finds every instance busy starts another one. Null uses the account's limit; new accounts need null, because they have too little concurrency to reserve from."
  type        = number
  default     = 3

  validation {
    condition     = coalesce(var.max_instances, 1) >= 1 && coalesce(var.max_instances, 1) <= 1000
    error_message = "max_instances must be between 1 and 1000, or null."
  }
}

variable "timeout_seconds" {
  description = "Timeout of a request in seconds. Replies end 10 s earlier, with `length`, so that the client receives a complete reply."
  type        = number
  default     = 600

  validation {
    condition     = var.timeout_seconds >= 30 && var.timeout_seconds <= 900
    error_message = "timeout_seconds must be between 30 and 900."
  }
}

variable "startup_waits_for" {
  description = "Condition for a started instance: `port` sends it the first request at once, whose stream then reports the cold start; `model` waits until a token could be produced. Null is `model` with min_instances and `port` without."
  type        = string
  default     = null

  validation {
    condition     = var.startup_waits_for == null || contains(["port", "model"], coalesce(var.startup_waits_for, "port"))
    error_message = "startup_waits_for must be port or model."
  }

  validation {
    condition     = var.startup_waits_for != "port" || var.min_instances == 0
    error_message = "With startup_waits_for = \"port\", min_instances are billed without a model: they are frozen when the port is open. Leave startup_waits_for out."
  }

  validation {
    condition     = var.startup_waits_for == null || !var.snapstart
    error_message = "With snapstart, every instance starts with its model. Leave startup_waits_for out."
  }
}

variable "smoke_test" {
  description = "Invoke each new version and wait for its first token before the URL calls it; a version that fails also fails the apply. It needs the AWS CLI."
  type        = bool
  default     = true
}

variable "access" {
  description = "Access control: `private` (IAM: invokers, and callers that the account's own policies allow) or `api_key` (anyone with the key)."
  type        = string
  default     = "private"

  validation {
    condition     = contains(["private", "api_key"], var.access)
    error_message = "access must be private or api_key."
  }

  validation {
    condition     = var.access != "api_key" || var.api_key_parameter != null
    error_message = "access = \"api_key\" opens the function to everyone, so it needs api_key_parameter."
  }
}

variable "invokers" {
  description = "Accounts, users and roles that may call a private function, as ids and ARNs."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for p in var.invokers : can(regex("^([0-9]{12}|arn:[a-z-]+:(iam|sts)::[0-9]{12}:.+)$", p))])
    error_message = "invokers must be account ids or ARNs of users and roles. For the public, set access = \"api_key\"."
  }

  validation {
    condition     = length(var.invokers) == 0 || var.access == "private"
    error_message = "invokers have no effect with access = \"api_key\"; remove them."
  }
}

variable "api_key_parameter" {
  description = "Name of the SSM parameter (a SecureString) that holds API_KEY. The function reads it when it starts. Create it outside Terraform, so that no state contains the key."
  type        = string
  default     = null

  validation {
    condition     = var.api_key_parameter == null || can(regex("^[A-Za-z0-9_./-]{1,1000}$", var.api_key_parameter))
    error_message = "api_key_parameter must be a parameter's name in this region, such as /chat/key."
  }
}

variable "env" {
  description = "Further settings of the function, such as { N_CTX = \"8192\" }."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key in keys(var.env) : contains(local.free_settings, key)])
    error_message = "env takes ${join(", ", local.free_settings)}; the other settings follow from variables of their own."
  }

  validation {
    condition = alltrue([
      for key in ["CLIENT_TIMEOUT", "MAX_TOKENS", "N_CTX", "N_THREADS", "PREFIX_CACHE_MB", "QUEUE_SIZE"] :
      can(tonumber(lookup(var.env, key, "0")))
    ])
    error_message = "CLIENT_TIMEOUT, MAX_TOKENS, N_CTX, N_THREADS, PREFIX_CACHE_MB and QUEUE_SIZE in env must be numbers."
  }

  validation {
    condition     = !var.snapstart || lookup(var.env, "MODEL_CACHE", "memory") == "memory"
    error_message = "With snapstart the model must be in memory: remove MODEL_CACHE from env."
  }

  validation {
    condition = alltrue([
      for key in ["CHAT_TEMPLATE", "LORA_URI", "SYSTEM_PROMPT"] : !can(regex("^(gs|s3)://", lookup(var.env, key, ""))) || startswith(lookup(var.env, key, ""), "s3://${var.name}-models-")
    ])
    error_message = "CHAT_TEMPLATE, LORA_URI and SYSTEM_PROMPT in env may name objects in this module's bucket only: the function may read no other one."
  }
}

variable "warmup_schedule" {
  description = "Schedule of the warmup ping, in EventBridge Scheduler's syntax and in UTC, such as `rate(10 minutes)` or `cron(0/10 7-18 ? * MON-FRI *)`. Null disables it."
  type        = string
  default     = null

  validation {
    condition     = var.warmup_schedule == null || can(regex("^(rate\\((1 (minute|hour|day)|([2-9]|[1-9][0-9]+) (minutes|hours|days))\\)|cron\\(\\S+( \\S+){5}\\))$", var.warmup_schedule))
    error_message = "warmup_schedule must be rate(…) or cron(…) with six fields, such as cron(0/10 7-18 ? * MON-FRI *)."
  }
}

variable "alert_emails" {
  description = "E-mail addresses for alarms. Without any, alarms appear only in the console."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for a in var.alert_emails : can(regex("^[^@\\s]+@[^@\\s]+$", a))])
    error_message = "alert_emails must be e-mail addresses."
  }
}

variable "force_destroy" {
  description = "Let `terraform destroy` delete the bucket with the models in it and the repository with its images."
  type        = bool
  default     = false
}

variable "labels" {
  description = "Tags of all resources, in addition to service = name: costs can be listed by tag, once the tag is activated in the billing console."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for key, value in var.labels : can(regex("^[A-Za-z][A-Za-z0-9 _.:/=+@-]{0,126}$", key)) && length(value) <= 256])
    error_message = "labels must begin with a letter, with names of at most 127 and values of at most 256 characters."
  }
}

variable "monthly_budget" {
  description = "Monthly budget in USD. Half of it, all of it, and a forecast above it are reported to alert_emails. It counts the whole account, and stops nothing. Null creates none."
  type        = number
  default     = null

  validation {
    condition     = var.monthly_budget == null || coalesce(var.monthly_budget, 1) >= 1
    error_message = "monthly_budget must be at least 1."
  }

  validation {
    condition     = var.monthly_budget == null || length(var.alert_emails) > 0
    error_message = "monthly_budget needs alert_emails: nobody else would receive the report."
  }
}

variable "kms_key" {
  description = "ARN of a key in KMS, in the same region, that encrypts the models, the images and the function's settings. Set it before the first apply. Null uses AWS's keys."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key == null || can(regex("^arn:[a-z-]+:kms:${var.region}:[0-9]{12}:key/[0-9a-f-]+$", var.kms_key))
    error_message = "kms_key must be arn:aws:kms:REGION:ACCOUNT:key/ID, in the region of all resources."
  }
}

variable "github_repository" {
  description = "Repository on GitHub, as owner/name, whose main branch may deploy with the workflow deploy-aws, without a stored key. Null allows none."
  type        = string
  default     = null

  validation {
    condition     = var.github_repository == null || can(regex("^[A-Za-z0-9-]+/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be owner/name."
  }
}

variable "github_provider_arn" {
  description = "ARN of the account's OIDC provider for GitHub, if there is one already: an account has at most one. Null creates it."
  type        = string
  default     = null

  validation {
    condition     = var.github_provider_arn == null || can(regex("^arn:[a-z-]+:iam::[0-9]{12}:oidc-provider/token[.]actions[.]githubusercontent[.]com$", var.github_provider_arn))
    error_message = "github_provider_arn must be arn:aws:iam::ACCOUNT:oidc-provider/token.actions.githubusercontent.com."
  }
}
