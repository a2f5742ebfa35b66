#!/bin/sh
# slim.sh VENV   remove from a virtual environment what the running function never reads
set -eu
packages=$(echo "$1"/lib/python3*/site-packages)

# llama.cpp: headers, build files, a second copy of its libraries; llama-cpp-python's own server.
rm -rf "${packages:?}/bin" "$packages/include" "${packages:?}/lib" "$packages/llama_cpp/include" "$packages/llama_cpp/server"
find "$packages/llama_cpp/lib" -mindepth 1 ! -name '*.so*' ! -path '*/lib/levels*' -delete
find "$packages/llama_cpp/lib" -name '*.so*' -type f -exec strip --strip-unneeded {} +

# A wheel holds no links: each library is there under three names, of which the loader wants NAME.so and NAME.so.0.
for library in "$packages"/llama_cpp/lib/lib*.so; do
  if [ -e "$library.0" ]; then
    rm -f "$library".0.*
    ln -sf "$(basename "$library").0" "$library"
  fi
done

# botocore describes every service of AWS; the function calls S3 and SSM, and STS and SSO hand out credentials.
for service in "$packages"/botocore/data/*/; do
  case $(basename "$service") in
    s3 | ssm | sts | sso | sso-oidc) ;;
    *) rm -rf "$service" ;;
  esac
done

# Two wheels come with their symbol tables: 8 MB.
strip --strip-unneeded "$packages"/_awscrt.abi3.so "$packages"/cryptography/hazmat/bindings/_rust.abi3.so

# Packages' tests, type stubs, C sources and libraries to link against.
find "$packages" -depth -type d \( -name tests -o -name __pycache__ \) -exec rm -rf {} +
find "$packages" -type f \( -name '*.pyi' -o -name '*.a' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.c' -o -name '*.h' -o -name '*.hpp' \) -delete
