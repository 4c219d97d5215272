#pragma once
// One path for everybody: the canonical form is routed, checked against public globs and shown to
// hooks; the forwarded form is what the next server sees and means the same to it (RFC 3986 §5.2.4,
// §6.2.2.2). A path that some sloppier reader would understand differently is refused.

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "http/refusal.h"
#include "http/scan.h"

namespace ringtime::http {

struct CanonicalPath {
    /// Escapes of unreserved characters decoded, dot segments resolved, bytes outside the URI
    /// grammar escaped. Other escapes stand as received: `%2f` is an ordinary character and no
    /// separator.
    std::string_view canonical;
    /// The received bytes, with dot segments resolved if there were any, and bytes outside the URI
    /// grammar escaped if there were any.
    std::string_view forwarded;
};

/// Bytes of storage that canonicalise() may need for `path`; 0 when it is canonical as it stands.
[[nodiscard]] size_t canonical_storage(std::string_view path,
                                       const ScanPath& scan = best_scan()) noexcept;

/// `path`: RequestHead::path of an origin- or absolute-form. What is unchanged is returned as a
/// view of `path`, the rest as one of `storage`. Idempotent: the canonical form of either result is
/// `canonical`. Errors: path_* rules of Refusal, 400; path_too_long when `storage` does not
/// suffice, 414. Cost: one vector scan for a path in canonical form; linear otherwise.
[[nodiscard]] Result<CanonicalPath> canonicalise(std::string_view path, char* storage,
                                                 size_t storage_size,
                                                 const ScanPath& scan = best_scan()) noexcept;

/// The canonical path behind the base of a mount, byte for byte (`/` when nothing follows): more
/// slashes than one stay, as they do below `/`. `base_size`: bytes of the matched base in canonical
/// form; at most 1 (`/`) strips nothing. Precondition: the base matched on a segment boundary.
[[nodiscard]] std::string_view strip_base(std::string_view canonical, size_t base_size) noexcept;
/// The same for the forwarded path, in which escapes may spell the base with more bytes.
[[nodiscard]] std::string_view strip_base_forwarded(std::string_view forwarded,
                                                    size_t base_size) noexcept;

/// A host as the route table knows it.
struct HostName {
    std::string_view name;  ///< Lower-case, without port and trailing dot; IP literals in brackets.
    uint16_t port = 0;      ///< 0 when none is given.
    bool ip_literal = false;
};

/// `authority`: RequestHead::authority (may be empty). A view of `authority` when nothing changes,
/// else of `storage`, which must hold as many bytes. Errors: host_invalid, 400.
[[nodiscard]] Result<HostName> canonical_host(std::string_view authority, char* storage,
                                              size_t storage_size) noexcept;

}  // namespace ringtime::http
