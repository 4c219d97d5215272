#include "http/hop_by_hop.h"

#include "http/field_section.h"
#include "http/syntax.h"

namespace ringtime::http {
namespace {

constexpr FieldSet kAlways = field_bit(FieldId::connection) | field_bit(FieldId::keep_alive) |
                             field_bit(FieldId::proxy_connection) | field_bit(FieldId::te) |
                             field_bit(FieldId::upgrade) | field_bit(FieldId::http2_settings);
constexpr FieldSet kNeverNominated = field_bit(FieldId::host) | field_bit(FieldId::content_length) |
                                     field_bit(FieldId::transfer_encoding);

}  // namespace

HopByHop hop_by_hop_fields(const FieldTable& fields) noexcept {
    HopByHop result;
    FieldSet dropped = kAlways;
    if (((fields.present() & kAlways)) == 0) return result;

    for (const Field* line = fields.find(FieldId::connection); line; line = fields.next(*line)) {
        ListElements elements(fields.value(*line));
        for (std::string_view option; elements.next(option);) {
            FieldId id = intern(option);
            if (id != FieldId::other) {
                dropped |= field_bit(id) & ~kNeverNominated;
                continue;
            }
            for (unsigned i = 0; i < fields.size(); ++i) {
                if (fields[i].id == FieldId::other &&
                    equal_ignoring_case(fields.name(fields[i]), option)) {
                    result.drop.set(i);
                }
            }
        }
    }
    for (unsigned i = 0; i < fields.size(); ++i) {
        FieldId id = fields[i].id;
        if (id != FieldId::other && (dropped & field_bit(id)) != 0) result.drop.set(i);
    }
    for (const Field* line = fields.find(FieldId::te); line; line = fields.next(*line)) {
        ListElements codings(fields.value(*line));
        for (std::string_view coding; codings.next(coding);) {
            result.accepts_trailers |= equal_ignoring_case(coding, "trailers");
        }
    }
    return result;
}

bool drop_hop_by_hop(FieldDraft& draft, const FieldTable& fields) noexcept {
    HopByHop hop = hop_by_hop_fields(fields);
    if (hop.drop.empty()) return false;
    for (unsigned i = 0; i < fields.size(); ++i) {
        if (hop.drop.test(i)) draft.drop(i);
    }
    return hop.accepts_trailers;
}

bool is_forwardable_trailer(FieldId id, std::string_view name) noexcept {
    if (id != FieldId::other || is_alias_of_protected_field(name)) return false;
    for (std::string_view family :
         {"content-", "x-forwarded-", "x-ringtime-", "x-auth", "proxy-", "authentication-", "if-",
          "sec-", "access-control-", "max-forwards", "pragma", "set-cookie", "cookie"}) {
        if (starts_ignoring_case(name, family)) return false;
    }
    return true;
}

}  // namespace ringtime::http
