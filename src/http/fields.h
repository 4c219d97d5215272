#pragma once
// The field table of one message head: offsets into one contiguous text, with known names interned.
// Nothing is copied: the text is a receive buffer, an arena block or a worker's checked head.
// Moving the text is possible by changing `base`. RFC 9110 §5.

#include <cstdint>
#include <string_view>

#include "base/limits.h"

namespace ringtime::http {

/// Names the gateway looks at. `other` is any name that is not interned. Keep the order of
/// field_names() in fields.cpp. At most 63 known names, so that a set of them is one word.
enum class FieldId : uint8_t {
    other,
    host,
    connection,
    content_length,
    transfer_encoding,
    expect,
    upgrade,
    te,
    trailer,
    keep_alive,
    proxy_connection,
    http2_settings,
    accept,
    accept_encoding,
    accept_language,
    age,
    allow,
    authorization,
    cache_control,
    content_encoding,
    content_language,
    content_range,
    content_type,
    cookie,
    date,
    etag,
    expires,
    forwarded,
    if_match,
    if_modified_since,
    if_none_match,
    if_range,
    if_unmodified_since,
    last_modified,
    location,
    origin,
    proxy_authenticate,
    proxy_authorization,
    range,
    referer,
    retry_after,
    sec_websocket_accept,
    sec_websocket_key,
    sec_websocket_protocol,
    sec_websocket_version,
    server,
    set_cookie,
    user_agent,
    vary,
    via,
    www_authenticate,
    x_base,
    x_forwarded_for,
    x_forwarded_host,
    x_forwarded_prefix,
    x_forwarded_proto,
    x_identity,
    x_not_found,
    x_real_ip,
    x_request_id,
    x_vhost_tenant,
    count_
};
static_assert(static_cast<unsigned>(FieldId::count_) <= 64);

/// A set of known names.
using FieldSet = uint64_t;
[[nodiscard]] constexpr FieldSet field_bit(FieldId id) noexcept {
    return FieldSet{1} << static_cast<unsigned>(id);
}

/// The id of a name in any capitalisation; `other` when it is not interned. Perfect hash, one
/// compare.
[[nodiscard]] FieldId intern(std::string_view name) noexcept;
/// The lower-case name of a known id; empty for `other`.
[[nodiscard]] std::string_view field_name(FieldId id) noexcept;
/// ASCII case-insensitive equality, as field names compare (RFC 9110 §5.1).
[[nodiscard]] bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;
[[nodiscard]] inline bool starts_ignoring_case(std::string_view text,
                                               std::string_view prefix) noexcept {
    return equal_ignoring_case(text.substr(0, prefix.size()), prefix);
}

struct Field {
    uint16_t name_offset = 0;
    uint16_t name_size = 0;
    uint16_t value_offset = 0;
    uint16_t value_size = 0;
    FieldId id = FieldId::other;
    uint8_t next_same = 0;  ///< Index + 1 of the next field with this known id; 0 at the end.
};
static_assert(sizeof(Field) == 10);

/// Order and multiplicity are kept. find() of a known id is one load.
class FieldTable {
 public:
    const char* base = nullptr;

    void clear() noexcept {
        count_ = 0;
        present_ = 0;
    }
    [[nodiscard]] unsigned size() const noexcept { return count_; }
    [[nodiscard]] bool full() const noexcept { return count_ == limits::fields_max; }
    [[nodiscard]] const Field& operator[](unsigned index) const noexcept { return fields_[index]; }
    [[nodiscard]] std::string_view name(const Field& field) const noexcept {
        return {base + field.name_offset, field.name_size};
    }
    [[nodiscard]] std::string_view value(const Field& field) const noexcept {
        return {base + field.value_offset, field.value_size};
    }
    [[nodiscard]] FieldSet present() const noexcept { return present_; }
    [[nodiscard]] bool has(FieldId id) const noexcept { return (present_ & field_bit(id)) != 0; }
    /// The first field with a known id, or null.
    [[nodiscard]] const Field* find(FieldId id) const noexcept {
        return has(id) ? &fields_[first_[static_cast<unsigned>(id)]] : nullptr;
    }
    /// The next one with the same known id, or null.
    [[nodiscard]] const Field* next(const Field& field) const noexcept {
        return field.next_same ? &fields_[field.next_same - 1] : nullptr;
    }
    /// Value of the first field with a known id; empty (data() null) when absent.
    [[nodiscard]] std::string_view get(FieldId id) const noexcept {
        const Field* field = find(id);
        return field ? value(*field) : std::string_view{};
    }
    /// The first field of any name, by comparison; null when absent.
    [[nodiscard]] const Field* find(std::string_view name) const noexcept;

    /// Adds fields, whose interning is the caller's: they count when it ends. For a loop that adds
    /// many: what it counts stays in registers, which bytes stored through pointers would forbid.
    class Writer {
     public:
        explicit Writer(FieldTable& table) noexcept
            : table_(table), count_(table.count_), present_(table.present_) {}
        Writer(const Writer&) = delete;
        Writer& operator=(const Writer&) = delete;
        ~Writer() {
            table_.count_ = count_;
            table_.present_ = present_;
        }
        [[nodiscard]] unsigned size() const noexcept { return count_; }
        /// Precondition: fewer than limits::fields_max. Offsets count from `base`.
        void add(const Field& field) noexcept {
            unsigned index = count_++;
            Field& added = table_.fields_[index];
            added = field;
            added.next_same = 0;
            if (field.id == FieldId::other) return;
            auto id = static_cast<unsigned>(field.id);
            if ((present_ & field_bit(field.id)) == 0) [[likely]] {
                present_ |= field_bit(field.id);
                table_.first_[id] = static_cast<uint8_t>(index);
            } else {
                table_.fields_[table_.last_[id]].next_same = static_cast<uint8_t>(index + 1);
            }
            table_.last_[id] = static_cast<uint8_t>(index);
        }

     private:
        FieldTable& table_;
        unsigned count_;
        FieldSet present_;
    };
    /// Precondition: !full().
    void add(const Field& field) noexcept { Writer(*this).add(field); }

 private:
    unsigned count_ = 0;
    FieldSet present_ = 0;
    Field fields_[limits::fields_max];
    uint8_t first_[static_cast<unsigned>(FieldId::count_)];
    uint8_t last_[static_cast<unsigned>(FieldId::count_)];
};

}  // namespace ringtime::http
