# The same image on Azure Container Apps, private to those who know the key, and scaled to zero.
#
#   terraform -chdir=infra/azure init
#   terraform -chdir=infra/azure apply -var image=registry.example.com/chat:v1 -var key_vault_id=… -var api_key_secret_id=…
#
# Validated with the schemas of azurerm 4; never applied to an account.
terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    azurerm = {
      source  = "hashicorp/azurerm"
      version = ">= 4.0, < 5.0"
    }
  }
}

provider "azurerm" {
  features {}
}

variable "location" {
  description = "Region of all resources."
  type        = string
  default     = "westeurope"
}

variable "name" {
  description = "Name of the app, and the prefix of every other name."
  type        = string
  default     = "chat"
}

variable "image" {
  description = "Image in a registry that needs no login, with tag or digest."
  type        = string
}

variable "model_uri" {
  description = "Model: hf://owner/repository/file.gguf or https://…. Null means the model in the image. The file is kept in memory."
  type        = string
  default     = null

  validation {
    condition     = var.model_uri == null || can(regex("^(hf|https)://", var.model_uri))
    error_message = "model_uri must begin with hf:// or https://: the app has no credentials of a bucket."
  }
}

variable "key_vault_id" {
  description = "Resource id of the Key Vault with the key."
  type        = string
}

variable "api_key_secret_id" {
  description = "URL of the secret with API_KEY, such as https://VAULT.vault.azure.net/secrets/chat-key. The state does not contain the key."
  type        = string
}

variable "max_replicas" {
  description = "Maximum number of replicas. Each answers one request at a time."
  type        = number
  default     = 3
}

locals {
  timeout_seconds = 240 # the platform's own limit of a request, which cannot be raised

  environment = merge(
    { REQUEST_TIMEOUT = tostring(local.timeout_seconds - 10) },
    var.model_uri == null ? {} : { MODEL_URI = var.model_uri },
  )
}

resource "azurerm_resource_group" "chat" {
  name     = var.name
  location = var.location
}

resource "azurerm_log_analytics_workspace" "chat" {
  name                = var.name
  location            = azurerm_resource_group.chat.location
  resource_group_name = azurerm_resource_group.chat.name
  retention_in_days   = 30
}

resource "azurerm_user_assigned_identity" "chat" {
  name                = var.name
  location            = azurerm_resource_group.chat.location
  resource_group_name = azurerm_resource_group.chat.name
}

resource "azurerm_role_assignment" "reads_key" {
  scope                = var.key_vault_id
  role_definition_name = "Key Vault Secrets User"
  principal_id         = azurerm_user_assigned_identity.chat.principal_id
}

resource "azurerm_container_app_environment" "chat" {
  name                       = var.name
  location                   = azurerm_resource_group.chat.location
  resource_group_name        = azurerm_resource_group.chat.name
  logs_destination           = "log-analytics"
  log_analytics_workspace_id = azurerm_log_analytics_workspace.chat.id
}

resource "azurerm_container_app" "chat" {
  name                         = var.name
  resource_group_name          = azurerm_resource_group.chat.name
  container_app_environment_id = azurerm_container_app_environment.chat.id
  revision_mode                = "Single" # a new revision gets the traffic when it is ready

  identity {
    type         = "UserAssigned"
    identity_ids = [azurerm_user_assigned_identity.chat.id]
  }

  secret {
    name                = "api-key"
    identity            = azurerm_user_assigned_identity.chat.id
    key_vault_secret_id = var.api_key_secret_id
  }

  ingress {
    external_enabled = true
    target_port      = 8080
    transport        = "http"

    traffic_weight {
      latest_revision = true
      percentage      = 100
    }
  }

  template {
    min_replicas                     = 0
    max_replicas                     = var.max_replicas
    cooldown_period_in_seconds       = 300 # a model that is loaded is worth keeping for the next question
    termination_grace_period_seconds = local.timeout_seconds

    container {
      name   = "chat"
      image  = var.image
      cpu    = 4 # the most that the consumption plan has
      memory = "8Gi"

      dynamic "env" {
        for_each = local.environment
        content {
          name  = env.key
          value = env.value
        }
      }

      env {
        name        = "API_KEY"
        secret_name = "api-key"
      }

      # The port, not the model: the stream of the first request reports the progress of the cold start.
      startup_probe {
        transport        = "HTTP"
        port             = 8080
        path             = "/health/live"
        interval_seconds = 1
      }

      readiness_probe {
        transport = "HTTP"
        port      = 8080
        path      = "/health/live"
      }

      liveness_probe {
        transport        = "HTTP"
        port             = 8080
        path             = "/health/live"
        interval_seconds = 30
        timeout          = 5
      }

      volume_mounts {
        name = "tmp"
        path = "/tmp"
      }
    }

    volume {
      name         = "tmp"
      storage_type = "EmptyDir"
    }

    http_scale_rule {
      name                = "requests"
      concurrent_requests = "1"
    }
  }

  depends_on = [azurerm_role_assignment.reads_key]
}

output "url" {
  description = "URL of the app."
  value       = "https://${azurerm_container_app.chat.ingress[0].fqdn}"
}
