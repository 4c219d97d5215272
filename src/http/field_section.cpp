#include "http/field_section.h"

#include "http/syntax.h"
#include "http/words.h"

namespace ringtime::http {
namespace {

constexpr FieldSet set_of(std::initializer_list<FieldId> ids) {
    FieldSet set = 0;
    for (FieldId id : ids) set |= field_bit(id);
    return set;
}

constexpr FieldSet kProtected = set_of(
    {FieldId::host, FieldId::connection, FieldId::content_length, FieldId::transfer_encoding,
     FieldId::expect, FieldId::upgrade, FieldId::te, FieldId::trailer, FieldId::keep_alive,
     FieldId::proxy_connection, FieldId::http2_settings, FieldId::forwarded, FieldId::via,
     FieldId::x_base, FieldId::x_forwarded_for, FieldId::x_forwarded_host,
     FieldId::x_forwarded_prefix, FieldId::x_forwarded_proto, FieldId::x_identity,
     FieldId::x_not_found, FieldId::x_real_ip, FieldId::x_request_id, FieldId::x_vhost_tenant});

bool has_underscore(std::string_view name) noexcept {
    if (name.size() < 8) return name.find('_') != std::string_view::npos;
    for (size_t at = 0; at + 8 < name.size(); at += 8) {
        if (words::equal(words::load(name.data() + at), '_') != 0) return true;
    }
    return words::equal(words::load(name.data() + name.size() - 8), '_') != 0;
}

}  // namespace

bool is_alias_of_protected_field(std::string_view name) noexcept {
    if (!has_underscore(name)) [[likely]] return false;
    // Longer than every known name and prefix: only the prefix can matter.
    char spelled[32];
    size_t size = 0;
    for (; size < name.size() && size < sizeof spelled; ++size) {
        spelled[size] = name[size] == '_' ? '-' : to_lower(name[size]);
    }
    std::string_view text(spelled, size);
    if (text.starts_with("x-forwarded-") || text.starts_with("x-ringtime-")) return true;
    if (size < name.size()) return false;
    FieldId id = intern(text);
    return id != FieldId::other && (kProtected & field_bit(id)) != 0;
}

namespace detail {

Refusal FieldSection::name_fault(char byte, size_t name_size, unsigned fields_before) noexcept {
    bool blank = byte == ' ' || byte == '\t';
    if (name_size == 0) {
        if (blank) return fields_before == 0 ? Refusal::leading_whitespace : Refusal::obs_fold;
        if (byte == ':') return Refusal::field_name_empty;
    }
    if (blank) return Refusal::field_space_before_colon;
    if (byte == '\r') return Refusal::field_colon_missing;
    if (byte == '\n') return Refusal::bare_lf;
    return Refusal::field_name_byte;
}

}  // namespace detail
}  // namespace ringtime::http
