/* proof MODEL: decodes a little with the llama.cpp that the loader finds, and looks at the numbers.

   Ends with 0 when they are right. Anything else, a signal above all, says that this CPU, or the machine that stands in
   for it, cannot run the library: then another one must. In C because it runs at every cold start, on a CPU that is
   needed for other things: 40 ms of it, where Python takes 150. */

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "llama.h"

enum { TOKENS = 64, WRONG = 2, UNUSABLE = 3 };

/* Of what lies between the least and the greatest logit: rounding differs by less, a broken instruction by more. */
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

/* Logits after TOKENS tokens, computed in one go (matrix times matrix) and the last one alone (matrix times vector);
   with the weights as they are in the file, and repacked into whatever layout this CPU's matrix instructions want. */
static int compute(const char * path, bool repack, float * at_once, float * one_by_one, int room) {
    struct llama_model_params wishes = llama_model_default_params();
    wishes.n_gpu_layers              = 0;
    wishes.use_extra_bufts           = repack;
    struct llama_model * model       = llama_model_load_from_file(path, wishes);
    if (!model) {
        fail(UNUSABLE, "the model cannot be loaded");
    }
    struct llama_context_params params = llama_context_default_params();
    params.n_ctx = params.n_batch = params.n_ubatch = TOKENS;
    params.n_threads = params.n_threads_batch = 1;
    struct llama_context * context            = llama_init_from_model(model, params);
    if (!context) {
        fail(UNUSABLE, "no context can be made");
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
