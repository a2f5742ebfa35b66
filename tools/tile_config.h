/* Fix for compilers that break llama.cpp's code for AMX; included before everything else in its compilation.

   GCC up to 12.3 and 13.2 assumes that _tile_loadconfig reads 8 bytes, but the instruction reads 64. It therefore omits
   the code that fills the rest, and the library crashes in its first matrix product (GCC's bug 114098). Debian 12 has
   GCC 12.2. */

#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(config)))
#endif
