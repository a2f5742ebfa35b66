/* libvocabulary: loops over the tokens of a vocabulary, which take Python a tenth of a second.

   The strings of a GGUF's header are read where they are: 8 bytes of length, then the bytes. The tokens of a loaded
   model are read through llama.cpp's own functions. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { INTERFACE = 1, LENGTH_BYTES = 8, MAX_PROBES = 256 };

int vocabulary_interface(void) {
    return INTERFACE;
}

static uint64_t read_length(const uint8_t * at) {
    uint64_t length;
    memcpy(&length, at, LENGTH_BYTES);
    return length;
}

/* Return the place after `count` strings that begin at `position`; -1 if they do not end within `size` bytes. */
int64_t vocabulary_skip(const uint8_t * data, uint64_t size, uint64_t position, uint64_t count) {
    for (; count > 0; count--) {
        if (size - position < LENGTH_BYTES) {
            return -1;
        }
        uint64_t length = read_length(data + position);
        position += LENGTH_BYTES;
        if (size - position < length) {
            return -1;
        }
        position += length;
    }
    return (int64_t) position;
}

static uint64_t hash_of(const uint8_t * text, uint64_t length) {
    uint64_t hash = length;
    for (; length >= 8; text += 8, length -= 8) {
        hash = (hash ^ read_length(text)) * 0x9E3779B97F4A7C15u;
        hash ^= hash >> 32;
    }
    uint64_t rest = 0;
    memcpy(&rest, text, length);
    hash = (hash ^ rest) * 0x9E3779B97F4A7C15u;
    return hash ^ hash >> 32;
}

/* Return 1 if the `count` strings at `position`, all within 4 GiB, are distinct and none is empty. 0 means that they may
   not be: two are equal, one is empty, or too many have like hashes, or there is no memory. */
int vocabulary_is_distinct(const uint8_t * data, uint64_t position, uint32_t count) {
    uint64_t slots = 16;
    while (slots * 3 < 4 * (uint64_t) count) {
        slots *= 2;
    }
    /* The upper half of a hash, and the place of a string; none begins at 0. The hash saves a look at the string. */
    uint64_t * table = calloc(slots, sizeof *table);
    if (!table) {
        return 0;
    }
    int distinct = 1;
    for (uint32_t each = 0; distinct && each < count; each++) {
        uint64_t length = read_length(data + position);
        uint64_t hash = hash_of(data + position + LENGTH_BYTES, length);
        uint64_t slot = hash & (slots - 1);
        int      probes = 0;
        distinct = length > 0;
        while (distinct && table[slot]) {
            const uint8_t * other = data + (uint32_t) table[slot];
            int             like = (table[slot] ^ hash) >> 32 == 0;
            distinct = ++probes < MAX_PROBES && !(like && memcmp(other, data + position, LENGTH_BYTES + length) == 0);
            slot = (slot + 1) & (slots - 1);
        }
        table[slot] = (hash >> 32 << 32) | (uint32_t) position;
        position += LENGTH_BYTES + length;
    }
    free(table);
    return distinct;
}

/* Write the ids of the first `count` tokens whose attributes have a bit of `mask` into `found`; return their number.
   `get` is llama_vocab_get_attr. */
int32_t vocabulary_find(
    int (*get)(const void *, int32_t), const void * vocabulary, int32_t count, int mask, int32_t * found) {
    int32_t number = 0;
    for (int32_t token = 0; token < count; token++) {
        if (get(vocabulary, token) & mask) {
            found[number++] = token;
        }
    }
    return number;
}
