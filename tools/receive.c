/* Receive the bytes of a response, and check and write them, in one call without the interpreter's lock.
 *
 * function/source/native.py calls it on a connection that Python has opened: name, proxy, handshake, certificate, request
 * and response headers are Python's. tools/native_libraries.py compiles it. OpenSSL is not linked: its functions are
 * looked up in the library that Python's own ssl module uses. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define INTERFACE 1 /* number of this interface, which native.py compares */
#define SLICE_BYTES (64 << 10) /* a connection that receives less within the stall time is closed */
#define RECORD_BUFFER_BYTES (34 << 10) /* two TLS records: half of the system calls; more would be moved about too often */
#define QUICK_SECONDS 0.1 /* after a quicker read the next one waits for the whole buffer */

int receive_interface(void) { return INTERFACE; }

/* Checksums: cyclic redundancy checks of 32 or 64 bits, bit-reversed, by carry-less multiplication.
 *
 * 64 bytes are four polynomials of 128 bits. Multiplying one by x^n modulo the check's polynomial moves it n bits towards
 * the end of the data without a change to the check. What is left at the end, 16 bytes, goes through the table. */
#if defined(__x86_64__)
#include <immintrin.h>
#define FAST __attribute__((target("pclmul,sse4.1")))
typedef __m128i lane;
static int has_multiplication(void) { return __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1"); }
FAST static inline lane load(const void *from) { return _mm_loadu_si128(from); }
FAST static inline lane add(lane a, lane b) { return _mm_xor_si128(a, b); }
FAST static inline lane fold(lane a, lane by) {
    return _mm_xor_si128(_mm_clmulepi64_si128(a, by, 0x00), _mm_clmulepi64_si128(a, by, 0x11));
}
#elif defined(__aarch64__)
#include <arm_neon.h>
#include <sys/auxv.h>
#define FAST __attribute__((target("+crypto")))
typedef uint64x2_t lane;
static int has_multiplication(void) { return (getauxval(AT_HWCAP) >> 4) & 1; }
FAST static inline lane load(const void *from) { return vreinterpretq_u64_u8(vld1q_u8(from)); }
FAST static inline lane add(lane a, lane b) { return veorq_u64(a, b); }
FAST static inline lane fold(lane a, lane by) {
    return add(vreinterpretq_u64_p128(vmull_p64(vgetq_lane_u64(a, 0), vgetq_lane_u64(by, 0))),
               vreinterpretq_u64_p128(vmull_p64(vgetq_lane_u64(a, 1), vgetq_lane_u64(by, 1))));
}
#else
#error "no carry-less multiplication is known for this machine"
#endif

struct check {
    uint64_t mask, table[256], by_64[2], by_16[2]; /* by_N: factors that move 16 bytes forward by N bytes */
};

/* Return x^n modulo the polynomial; the top bit of 64 is x^0. */
static uint64_t power(int width, uint64_t polynomial, int n) {
    uint64_t result = 1ull << (width - 1);
    while (n--) result = result & 1 ? (result >> 1) ^ polynomial : result >> 1;
    return result << (64 - width);
}

static uint64_t by_table(const struct check *check, uint64_t value, const uint8_t *data, size_t count) {
    while (count--) value = check->table[(value ^ *data++) & 255] ^ (value >> 8);
    return value;
}

FAST static uint64_t by_folding(const struct check *check, uint64_t value, const uint8_t *data, size_t count) {
    uint64_t first[2] = {value, 0};
    lane by_64 = load(check->by_64), by_16 = load(check->by_16);
    lane a = add(load(data), load(first)), b = load(data + 16), c = load(data + 32), d = load(data + 48);
    for (data += 64, count -= 64; count >= 64; data += 64, count -= 64) {
        a = add(fold(a, by_64), load(data));
        b = add(fold(b, by_64), load(data + 16));
        c = add(fold(c, by_64), load(data + 32));
        d = add(fold(d, by_64), load(data + 48));
    }
    d = add(fold(add(fold(add(fold(a, by_16), b), by_16), c), by_16), d);
    for (; count >= 16; data += 16, count -= 16) d = add(fold(d, by_16), load(data));
    uint8_t rest[16];
    memcpy(rest, &d, 16);
    return by_table(check, by_table(check, 0, rest, 16), data, count);
}

/* Return the check of further bytes after those with the check `value`. */
uint64_t check_update(const struct check *check, uint64_t value, const uint8_t *data, size_t count) {
    value ^= check->mask;
    return (count < 64 ? by_table : by_folding)(check, value, data, count) ^ check->mask;
}

/* Return a check of `width` bits, to be kept for good; NULL if this machine lacks the instruction or computes wrongly. */
struct check *check_new(int width, uint64_t polynomial) {
    if (!has_multiplication()) return NULL;
    struct check *check = calloc(1, sizeof *check);
    if (check == NULL) return NULL;
    check->mask = ~0ull >> (64 - width);
    for (int byte = 0; byte < 256; byte++) {
        uint64_t value = byte;
        for (int bit = 0; bit < 8; bit++) value = value & 1 ? (value >> 1) ^ polynomial : value >> 1;
        check->table[byte] = value;
    }
    /* The product of two bit-reversed factors of 64 bits stands one bit too far: hence the odd exponents. */
    check->by_64[0] = power(width, polynomial, 512 + 63), check->by_64[1] = power(width, polynomial, 512 - 1);
    check->by_16[0] = power(width, polynomial, 128 + 63), check->by_16[1] = power(width, polynomial, 128 - 1);
    uint8_t sample[251];
    for (size_t i = 0; i < sizeof sample; i++) sample[i] = (uint8_t)(i * i + 7 * i);
    if (by_folding(check, 1, sample, sizeof sample) == by_table(check, 1, sample, sizeof sample)) return check;
    free(check);
    return NULL;
}

/* TLS: OpenSSL calls on_new in the thread that creates a connection; tls_take returns that connection. */
static struct {
    int (*read)(void *, void *, int);
    int (*get_error)(const void *, int);
    int (*get_fd)(const void *);
    void (*set_read_ahead)(void *, int);
    void (*set_default_read_buffer_len)(void *, size_t);
    unsigned long (*peek_error)(void);
    const char *(*reason)(unsigned long);
    void (*clear_error)(void);
} tls;
static _Thread_local void *newest;

static void on_new(void *parent, void *value, void *data, int index, long number, void *pointer) { newest = parent; }

/* Look up OpenSSL in what the library at `path`, or this process if NULL, is linked with; return 0 if that fails. */
int tls_open(const char *path) {
    int (*new_index)(int, long, void *, void *, void *, void *);
    void *library = dlopen(path, RTLD_NOW | (path == NULL ? 0 : RTLD_NOLOAD));
    if (library == NULL) return 0;
    *(void **)&tls.read = dlsym(library, "SSL_read");
    *(void **)&tls.get_error = dlsym(library, "SSL_get_error");
    *(void **)&tls.get_fd = dlsym(library, "SSL_get_fd");
    *(void **)&tls.set_read_ahead = dlsym(library, "SSL_set_read_ahead");
    *(void **)&tls.set_default_read_buffer_len = dlsym(library, "SSL_set_default_read_buffer_len");
    *(void **)&tls.peek_error = dlsym(library, "ERR_peek_last_error");
    *(void **)&tls.reason = dlsym(library, "ERR_reason_error_string");
    *(void **)&tls.clear_error = dlsym(library, "ERR_clear_error");
    *(void **)&new_index = dlsym(library, "CRYPTO_get_ex_new_index");
    if (!tls.read || !tls.get_error || !tls.get_fd || !tls.set_read_ahead || !tls.set_default_read_buffer_len ||
        !tls.peek_error || !tls.reason || !tls.clear_error || !new_index)
        return 0;
    return new_index(0 /* CRYPTO_EX_INDEX_SSL */, 0, NULL, on_new, NULL, NULL) >= 0;
}

/* Forget what this thread has created: before it opens a connection. */
void tls_forget(void) { newest = NULL; }

/* Return the TLS connection that this thread has created on a socket since tls_forget; NULL if there is none. */
void *tls_take(int descriptor) {
    void *ssl = newest;
    newest = NULL;
    if (ssl == NULL || tls.get_fd(ssl) != descriptor) return NULL;
    tls.set_default_read_buffer_len(ssl, RECORD_BUFFER_BYTES);
    tls.set_read_ahead(ssl, 1);
    return ssl;
}

/* Return the reason in one of OpenSSL's errors; NULL if it has none. */
const char *tls_reason(int64_t error) { return tls.reason((unsigned long)error); }

/* File that several threads write until it is closed, one at a time: in the kernel, waiting threads would spin. */
struct target {
    pthread_mutex_t lock;
    int file;
};

struct target *target_new(int file) {
    struct target *target = malloc(sizeof *target);
    if (target != NULL) *target = (struct target){PTHREAD_MUTEX_INITIALIZER, file};
    return target;
}

/* Refuse all further writes; wait for the running one. */
void target_close(struct target *target) {
    pthread_mutex_lock(&target->lock);
    target->file = -1;
    pthread_mutex_unlock(&target->lock);
}

void target_free(struct target *target) { free(target); }

enum { PROTOCOL_ERROR = 1, WANT_READ, WANT_WRITE, SYSTEM_ERROR = 5, CLOSED_BY_PEER }; /* SSL_get_error's */
#define UNEXPECTED_END 294 /* SSL_R_UNEXPECTED_EOF_WHILE_READING, from OpenSSL 3 on */

enum { RECEIVED, ENDED, BROKEN, TLS_FAILED, NOT_WRITTEN, CLOSED };

struct reception {
    int64_t count;  /* bytes received, checked and written */
    uint64_t check; /* of the block, up to the last of them */
    int64_t error;  /* errno, or OpenSSL's error */
};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Read some bytes; return their number, 0 at the end, −1 after a failure that `*state` and `*error` describe. */
static ssize_t read_some(void *ssl, int socket, uint8_t *buffer, size_t wanted, int *state, int64_t *error) {
    for (;;) {
        struct pollfd ready = {socket, POLLIN, 0};
        errno = 0;
        if (ssl != NULL) tls.clear_error();
        ssize_t count = ssl == NULL ? recv(socket, buffer, wanted, MSG_WAITALL) : tls.read(ssl, buffer, (int)wanted);
        if (count > 0) return count;
        int failure = errno, kind = ssl == NULL ? SYSTEM_ERROR : tls.get_error(ssl, (int)count);
        if (kind == SYSTEM_ERROR && failure == EINTR) continue;
        if (kind == WANT_READ || kind == WANT_WRITE || (kind == SYSTEM_ERROR && failure == EAGAIN)) {
            if (kind == WANT_WRITE) ready.events = POLLOUT;
            poll(&ready, 1, -1);
            continue;
        }
        if (kind == CLOSED_BY_PEER || (kind == SYSTEM_ERROR && failure == 0)) return 0;
        if (kind == SYSTEM_ERROR) {
            *state = BROKEN, *error = failure;
            return -1;
        }
        *error = (int64_t)tls.peek_error();
        if (kind == PROTOCOL_ERROR && (*error & 0x7fffff) == UNEXPECTED_END) return *error = 0, 0; /* as Python's ssl does */
        *state = TLS_FAILED;
        return -1;
    }
}

static int write_all(struct target *target, const uint8_t *data, size_t count, int64_t offset, int64_t *error) {
    int state = RECEIVED;
    pthread_mutex_lock(&target->lock);
    while (count && state == RECEIVED) {
        ssize_t written = target->file < 0 ? 0 : pwrite(target->file, data, count, offset);
        if (target->file < 0) state = CLOSED;
        else if (written >= 0) data += written, count -= (size_t)written, offset += written;
        else if (errno != EINTR) state = NOT_WRITTEN, *error = errno;
    }
    pthread_mutex_unlock(&target->lock);
    return state;
}

/* Receive up to `wanted` bytes into `target` at `offset`, and continue the check in `result`.
 *
 * Returns when all are there, or some and `seconds` have passed, or the connection has ended or failed. */
int receive(void *ssl, int socket, struct target *target, int64_t offset, int64_t wanted, const struct check *check,
            uint8_t *buffer, int64_t size, double seconds, struct reception *result) {
    double began = now(), last = began;
    int state = RECEIVED, quick = 0;
    int64_t received = 0;
    result->count = result->error = 0;
    while (result->count < wanted && state == RECEIVED) {
        int64_t filled = 0, room = wanted - result->count < size ? wanted - result->count : size;
        while (filled < room) {
            int64_t most = quick || room - filled < SLICE_BYTES ? room - filled : SLICE_BYTES;
            ssize_t count = read_some(ssl, socket, buffer + filled, (size_t)most, &state, &result->error);
            if (count == 0) state = ENDED;
            if (count <= 0) break;
            filled += count, received += count;
            double time = now();
            quick = time - last < QUICK_SECONDS, last = time;
            if (received >= SLICE_BYTES && time - began > seconds) break;
        }
        if (filled) {
            int64_t error = 0;
            int written = write_all(target, buffer, (size_t)filled, offset, &error);
            if (written != RECEIVED) return result->error = error, written;
            result->check = check_update(check, result->check, buffer, (size_t)filled);
            result->count += filled, offset += filled;
        }
        if (now() - began > seconds && received >= SLICE_BYTES) break;
    }
    return state;
}
