#include "ticklab/lab/freed_memory.hpp"

#include <malloc.h>

namespace ticklab::lab {

void keep_freed_memory() {
    constexpr int kMiB = 1 << 20;
    mallopt(M_MMAP_THRESHOLD, 32 * kMiB);
    mallopt(M_TRIM_THRESHOLD, 64 * kMiB);
}

}  // namespace ticklab::lab
