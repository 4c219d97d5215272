// What a target behind the gateway is told about the client, and what it is not told. Lists grow by
// one element, this hop's; what clients claim about earlier hops was dropped before unless they are
// trusted.

#include <algorithm>

#include "exchange/core.h"
#include "exchange/exchange.h"
#include "http/hop_by_hop.h"

namespace ringtime::exchange {

using http::FieldId;

namespace {

constexpr http::FieldSet kFramingAndHost =
    http::field_bit(FieldId::content_length) | http::field_bit(FieldId::transfer_encoding) |
    http::field_bit(FieldId::host) | http::field_bit(FieldId::expect);

/// Puts texts together in the exchange's arena.
class Joined {
 public:
    Joined(Arena& arena, size_t capacity) noexcept
        : begin_(static_cast<char*>(arena.allocate(capacity, 1))), end_(begin_) {}
    Joined& operator<<(std::string_view text) noexcept {
        if (begin_) end_ = std::copy(text.begin(), text.end(), end_);
        return *this;
    }
    /// data() is null when the arena was full.
    [[nodiscard]] std::string_view text() const noexcept {
        return begin_ ? std::string_view(begin_, static_cast<size_t>(end_ - begin_))
                      : std::string_view{};
    }

 private:
    char* begin_;
    char* end_;
};

constexpr std::string_view kComma = ", ";

}  // namespace

// Every line of the list, joined in order, and the new element last.
void Exchange::append_to_list(FieldId id, std::string_view element) noexcept {
    size_t size = element.size();
    request_.for_each([&](std::string_view, std::string_view value, FieldId field) {
        if (field == id) size += value.size() + kComma.size();
    });
    Joined joined(arena_, size);
    request_.for_each([&](std::string_view, std::string_view value, FieldId field) {
        if (field == id && !value.empty()) joined << value << kComma;
    });
    joined << element;
    if (joined.text().data()) (void)request_.set(id, joined.text());
}

// RFC 7239 §4. The authority was checked when it was read: nothing in it ends a quoted string.
void Exchange::add_forwarded() noexcept {
    const net::PeerAddress& peer = connection_->peer();
    char text[net::PeerAddress::text_bytes_max];
    std::string_view address = peer.text(text);
    bool secure = request_.get(FieldId::x_forwarded_proto) == "https";
    Joined element(arena_, address.size() + head.authority.size() + 64);
    if (peer.family == AF_INET6) {
        element << "for=\"[" << address << "]\"";
    } else {
        element << "for=" << (peer.family == AF_INET ? address : "unknown");
    }
    element << ";host=\"" << head.authority << "\";proto=" << (secure ? "https" : "http");
    if (element.text().data()) append_to_list(FieldId::forwarded, element.text());
}

void Exchange::add_forwarding_fields(BaseSeen base) noexcept {
    request_.remove_all(kFramingAndHost);
    takes_trailers_ = http::drop_hop_by_hop(request_, head.fields);
    char text[net::PeerAddress::text_bytes_max];
    append_to_list(FieldId::x_forwarded_for, connection_->peer().text(text));
    if (!request_.has(FieldId::x_forwarded_proto))
        (void)request_.add(FieldId::x_forwarded_proto, "http");
    if (!request_.has(FieldId::x_forwarded_host))
        (void)request_.add(FieldId::x_forwarded_host, head.authority);
    if (mount_->base.size() > 1 && base == BaseSeen::stripped) add_prefix();
    add_forwarded();
    if (!match_.tenant.empty())
        (void)request_.set(FieldId::x_vhost_tenant, arena_.copy(match_.tenant));
    bool old = head.version == http::Version::http_1_0;
    append_to_list(FieldId::via, old ? "1.0 ringtime" : "1.1 ringtime");
}

// A trusted proxy in front may have taken off a part of the path as well.
void Exchange::add_prefix() noexcept {
    std::string_view earlier = request_.get(FieldId::x_forwarded_prefix);
    while (earlier.ends_with('/')) earlier.remove_suffix(1);
    Joined prefix(arena_, earlier.size() + mount_->base.size());
    prefix << earlier << mount_->base;
    if (prefix.text().data()) (void)request_.set(FieldId::x_forwarded_prefix, prefix.text());
}

}  // namespace ringtime::exchange
