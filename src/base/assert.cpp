#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace ringtime {

void assertion_failed(const char* fact, const char* file, int line) noexcept {
    std::fprintf(stderr, "ringtime: assertion failed: %s at %s:%d\n", fact, file, line);
    std::abort();
}

}  // namespace ringtime
