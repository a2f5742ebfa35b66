/* Included before all else where llama.cpp's code for AMX is compiled.

   GCC up to 12.3 and 13.2 takes _tile_loadconfig to read 8 bytes, where the instruction reads 64, and leaves out what
   fills the rest: the library then dies of its first matrix product (GCC's bug 114098). Debian 12 has GCC 12.2. */

#if defined(__AMX_TILE__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>
#undef _tile_loadconfig
#define _tile_loadconfig(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(const char(*)[64])(config)))
#endif
