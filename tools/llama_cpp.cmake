# Options of llama.cpp's build, for the installer, the image and pip alike:
#
#   CMAKE_ARGS=-DCMAKE_PROJECT_INCLUDE=$PWD/tools/llama_cpp.cmake pip install llama-cpp-python
#
# A normal variable overrides an option, even one that llama-cpp-python forces in the cache.
include_guard(GLOBAL)

# With OpenMP, decoding from a second thread runs 2.8 times slower, and a forked child can hang.
set(GGML_OPENMP OFF)

# Only the libraries that the bindings load: no image encoder, no code of llama.cpp's own programs.
set(LLAVA_BUILD OFF)
set(LLAMA_BUILD_COMMON OFF)

# Several sources in one compile, and headers compiled once: half of the time. Not tried with NVIDIA's compiler.
if(NOT GGML_CUDA)
  set(CMAKE_UNITY_BUILD ON)
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 12)
  cmake_language(DEFER CALL target_precompile_headers llama PRIVATE
    ${CMAKE_SOURCE_DIR}/vendor/llama.cpp/src/models/models.h)
endif()

# GCC 12 compiles AMX into code that crashes. The image's AMX library is compiled with tools/tile_config.h and tested at
# start; a build for the CPU at hand (GGML_NATIVE) has no such test.
add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-U__AMX_INT8__>)
