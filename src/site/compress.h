#pragma once
// Bytes of a file in a coding of HTTP, made once per version. Pure: no thread, no clock; the same
// bytes and libraries give the same result, so that entity tags can be made from it.

#include <atomic>
#include <cstddef>
#include <string_view>

#include "site/negotiate.h"

namespace ringtime::site {

/// Memory of malloc; null when there is nothing worth having.
struct Compressed {
    char* bytes = nullptr;
    size_t size = 0;
};

/// Codes `bytes`, or gives up: when that would not save an eighth (its reader has to undo it), when
/// memory is short, or once `stop` is set, which is looked at every 64 KiB. Takes about 10 MB of
/// memory meanwhile. Precondition: not identity.
[[nodiscard]] Compressed compress(std::string_view bytes, Coding coding,
                                  const std::atomic<bool>& stop) noexcept;

}  // namespace ringtime::site
