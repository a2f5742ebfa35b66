/* libcandidates: the tokens with the largest logits, found in one pass over them.

   llama.cpp's samplers begin with a list of the whole vocabulary, which they then sort in part: 0.13 ms a token for 49,000
   tokens, 0.33 ms for 152,000. Most chains keep 40 of them. */

#include <stdint.h>

/* llama_token_data of llama.h. */
struct candidate {
    int32_t id;
    float   logit;
    float   probability;
};

enum { BLOCK = 64, INTERFACE = 1 };

int candidates_interface(void) {
    return INTERFACE;
}

/* Insert a token into `found` sorted candidates, of which `most` are kept; return the new number. Of equal logits the
   first one comes first. */
static int insert(struct candidate * kept, int found, int most, int32_t id, float logit) {
    int at = found < most ? found : most - 1;
    for (; at > 0 && kept[at - 1].logit < logit; at--) {
        kept[at] = kept[at - 1];
    }
    kept[at] = (struct candidate){id, logit, 0.0f};
    return found < most ? found + 1 : most;
}

/* Write the `most` largest of `count` logits into `kept`, the largest first; return how many were written, less than
   `most` if there are fewer numbers. NaN is never written. */
int candidates_find(const float * logits, int32_t count, int most, struct candidate * kept) {
    int   found = 0;
    float least = -__builtin_inff();
    for (int32_t begin = 0; begin < count; begin += BLOCK) {
        int32_t end = count - begin < BLOCK ? count : begin + BLOCK;
        if (found == most && end - begin == BLOCK) {
            int any = 0; /* a loop without a branch, which compilers turn into vector instructions */
            for (int i = 0; i < BLOCK; i++) {
                any |= logits[begin + i] > least;
            }
            if (!any) {
                continue;
            }
        }
        for (int32_t id = begin; id < end; id++) {
            float logit = logits[id];
            if (logit > least || (found < most && logit == logit)) {
                found = insert(kept, found, most, id, logit);
                least = found == most ? kept[most - 1].logit : least;
            }
        }
    }
    return found;
}
