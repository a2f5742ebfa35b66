/* proof MODEL: decode a few tokens with the llama.cpp that the loader finds, and check the numbers.

   The exit status is 0 if they are right. Any other end, such as a signal, means that this CPU (or its emulator) cannot
   run the library, and that another one must be used. The program is in C because it runs at every cold start, on a CPU
   with other work to do: it takes 40 ms of CPU, Python takes 150. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llama.h"

enum { TOKENS = 64, WRONG = 2, UNUSABLE = 3 };

/* Share of the range of the logits: rounding differs by less, a broken instruction by more. */
static const float TOLERANCE = 0.1f;

static void quiet(enum ggml_log_level level, const char * text, void * data) {
    (void) level, (void) text, (void) data;
}

static void fail(int status, const char * why) {
    fprintf(stderr, "%s\n", why);
    exit(status);
}

static const float * logits_after(struct llama_context * context, llama_token * tokens, int count) {
    if (llama_decode(context, llama_batch_get_one(tokens, count))) {
        fail(UNUSABLE, "llama_decode failed");
    }
    return llama_get_logits_ith(context, -1);
}

/* Compute the logits after TOKENS tokens, all at once (matrix times matrix) and with the last one alone (matrix times
   vector). The weights are mapped, or repacked into the layout of this CPU's matrix instructions. */
static int compute(const char * path, bool repack, float * at_once, float * one_by_one, int room) {
    struct llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers              = 0;
    model_params.use_extra_bufts           = repack;
    struct llama_model * model             = llama_model_load_from_file(path, model_params);
    if (!model) {
        fail(UNUSABLE, "the model cannot be loaded");
    }
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = TOKENS;
    params.n_threads = params.n_threads_batch = 1;
    struct llama_context * context            = llama_init_from_model(model, params);
    if (!context) {
        fail(UNUSABLE, "the context cannot be created");
    }
    int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(model));
    n_vocab     = n_vocab < room ? n_vocab : room;
    llama_token tokens[TOKENS];
    for (int i = 0; i < TOKENS; i++) {
        tokens[i] = (i * 37 + 11) % n_vocab;
    }
    memcpy(at_once, logits_after(context, tokens, TOKENS), n_vocab * sizeof(float));
    llama_memory_clear(llama_get_memory(context), false);
    logits_after(context, tokens, TOKENS - 1);
    memcpy(one_by_one, logits_after(context, tokens + TOKENS - 1, 1), n_vocab * sizeof(float));
    llama_free(context);
    llama_model_free(model);
    return n_vocab;
}

int main(int argc, char ** argv) {
    enum { WAYS = 4, ROOM = 1 << 14 };
    static float logits[WAYS][ROOM];
    if (argc != 2) {
        fail(UNUSABLE, "usage: proof MODEL");
    }
    llama_log_set(quiet, NULL);
    llama_backend_init();
    int n_vocab = 0;
    for (int repack = 0; repack < 2; repack++) {
        n_vocab = compute(argv[1], repack, logits[2 * repack], logits[2 * repack + 1], ROOM);
    }
    float least = INFINITY, greatest = -INFINITY, apart = 0;
    for (int i = 0; i < n_vocab; i++) {
        for (int way = 0; way < WAYS; way++) {
            if (!isfinite(logits[way][i])) {
                fail(WRONG, "not a number");
            }
            least    = fminf(least, logits[way][i]);
            greatest = fmaxf(greatest, logits[way][i]);
            apart    = fmaxf(apart, fabsf(logits[way][i] - logits[0][i]));
        }
    }
    printf("%g of %g\n", apart, greatest - least);
    if (!(greatest > least) || apart > TOLERANCE * (greatest - least)) {
        fail(WRONG, "the same logits computed in two ways differ");
    }
    return 0;
}
