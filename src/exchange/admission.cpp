// What happens to a request before anybody is asked to answer it: its id, the fields only the
// gateway may set, the canonical path, the route. A refusal found here is answered by dispatch().

#include "exchange/core.h"
#include "exchange/exchange.h"
#include "http/syntax.h"
#include "http/target.h"

namespace ringtime::exchange {

using http::FieldId;
using http::field_bit;

namespace {

// Clients cannot send these: the gateway and its plugins set them for those behind.
constexpr http::FieldSet kGatewayOnly =
    field_bit(FieldId::x_base) | field_bit(FieldId::x_identity) |
    field_bit(FieldId::x_vhost_tenant) | field_bit(FieldId::x_not_found);
// These tell about earlier hops and are believed from trusted peers only.
constexpr http::FieldSet kForwarding =
    field_bit(FieldId::x_forwarded_for) | field_bit(FieldId::x_forwarded_host) |
    field_bit(FieldId::x_forwarded_prefix) | field_bit(FieldId::x_forwarded_proto) |
    field_bit(FieldId::x_real_ip) | field_bit(FieldId::forwarded);

constexpr std::string_view kOwnPrefix = "x-ringtime-";
constexpr std::string_view kForwardingPrefix = "x-forwarded-";

}  // namespace

void Exchange::admit() noexcept {
    request_.begin(head.fields);
    trusted_ = hold_->snapshot->trusts(connection_->peer());
    choose_request_id();
    strip_untrusted();
    refusal_ = normalise();
    if (refusal_.ok()) find_route();
    if (refusal_.ok()) admit_api();
}

void Exchange::choose_request_id() noexcept {
    std::string_view given = head.fields.get(FieldId::x_request_id);
    if (trusted_ && given.data() && http::valid_request_id(given)) {
        request_id_ = given;
        return;
    }
    auto* text = static_cast<char*>(arena_.allocate(Core::request_id_bytes, 1));
    request_id_ = core_.new_request_id(text);
    (void)request_.set(FieldId::x_request_id, request_id_);
}

void Exchange::strip_untrusted() noexcept {
    request_.remove_all(trusted_ ? kGatewayOnly : kGatewayOnly | kForwarding);
    // Whole families: targets ask for members of them that nobody here knows.
    static_assert(kOwnPrefix.size() < kForwardingPrefix.size());
    for (unsigned i = 0; i < head.fields.size(); ++i) {
        const http::Field& field = head.fields[i];
        if (field.id != FieldId::other || field.name_size < kOwnPrefix.size()) continue;
        std::string_view name = head.fields.name(field);
        bool own = http::starts_ignoring_case(name, kOwnPrefix);
        if (own || (!trusted_ && http::starts_ignoring_case(name, kForwardingPrefix)))
            request_.drop(i);
    }
}

Error Exchange::normalise() noexcept {
    if (head.form == http::TargetForm::asterisk) {
        path_ = forwarded_ = "*";
    } else {
        size_t needed = http::canonical_storage(head.path);
        auto* storage = static_cast<char*>(needed ? arena_.allocate(needed, 1) : nullptr);
        Result<http::CanonicalPath> path = http::canonicalise(head.path, storage, needed);
        if (!path.ok()) return path.error();
        path_ = path->canonical;
        forwarded_ = path->forwarded;
    }
    size_t size = head.authority.size();
    auto* storage = static_cast<char*>(size ? arena_.allocate(size, 1) : nullptr);
    Result<http::HostName> host = http::canonical_host(head.authority, storage, size);
    if (!host.ok()) return host.error();
    host_ = host->name;
    return {};
}

void Exchange::find_route() noexcept {
    const Snapshot& snapshot = *hold_->snapshot;
    match_ = {};
    if (head.form == http::TargetForm::asterisk) return;
    match_ = snapshot.routes->match(host_, path_, http::method_bit(head.method));
    if (match_.found()) mount_ = &snapshot.mounts[match_.mount];
}

}  // namespace ringtime::exchange
