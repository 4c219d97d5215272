#pragma once
// Which received fields end at this hop (RFC 9110 §7.6.1). What goes on is everything else, minus
// the framing and Host, which the sender of the next hop writes itself from its own state.

#include <cstdint>

#include "http/draft.h"
#include "http/fields.h"

namespace ringtime::http {

/// A set of field indexes of one table.
class FieldMask {
  public:
    void set(unsigned index) noexcept { words_[index / 64] |= uint64_t{1} << (index % 64); }
    [[nodiscard]] bool test(unsigned index) const noexcept {
        return (words_[index / 64] >> (index % 64) & 1) != 0;
    }
    [[nodiscard]] bool empty() const noexcept { return (words_[0] | words_[1]) == 0; }

  private:
    uint64_t words_[2] = {};
};
static_assert(limits::fields_max <= 128);

struct HopByHop {
    FieldMask drop;
    /// `TE: trailers` was among the dropped ones: the sender understands trailers.
    bool accepts_trailers = false;
};

/// Connection, Keep-Alive, Proxy-Connection, TE, Upgrade, HTTP2-Settings and whatever a Connection
/// line nominates, except Host, Content-Length and Transfer-Encoding, which no nomination touches.
/// A granted upgrade is written anew by the caller. Fields that the gateway adds are added
/// afterwards, so that a nomination cannot remove them. Precondition: the head's framing was
/// decided, which bounds the nominations.
[[nodiscard]] HopByHop hop_by_hop_fields(const FieldTable& fields) noexcept;
/// Takes them out of a draft that was begun with `fields`. Whether the sender understands trailers.
bool drop_hop_by_hop(FieldDraft& draft, const FieldTable& fields) noexcept;

/// Whether a trailer may be sent on: none of framing, routing, authentication, cookies, content,
/// request conditions and forwarding (RFC 9110 §6.5.1); so no known field, and no unknown one of
/// those families.
[[nodiscard]] bool is_forwardable_trailer(FieldId id, std::string_view name) noexcept;

}  // namespace ringtime::http
