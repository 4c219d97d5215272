// Requests to upstreams and their answers: the operator's edits, what a server is chosen by, and
// the paths of a server that does not know its base.

#include <algorithm>

#include "exchange/core.h"
#include "exchange/exchange.h"
#include "http/rewrite.h"
#include "http/syntax.h"
#include "http/target.h"
#include "upstream/hashing.h"
#include "upstream/session.h"

namespace ringtime::exchange {

using http::FieldId;
using upstream::UpstreamSpec;

namespace {

// Beside the operator's and the gateway's own edits there is room for so many in one head.
constexpr unsigned kCookiesRewrittenMax = 24;
static_assert(kCookiesRewrittenMax + limits::upstream_edits_max + 4 <= limits::edits_max);

constexpr size_t kIdentityDigits = 16;

void edit(http::FieldDraft& draft, const upstream::FieldEdits& edits) noexcept {
    for (const std::string& name : edits.remove) draft.remove(name);
    for (const auto& [name, value] : edits.set) (void)draft.set(name, value);
    for (const auto& [name, value] : edits.add) (void)draft.add(name, value);
}

uint64_t read_identity(std::string_view text) noexcept {
    if (text.size() != kIdentityDigits) return 0;
    uint64_t value = 0;
    for (char c : text) {
        bool digit = c >= '0' && c <= '9';
        if (!digit && (c < 'a' || c > 'f')) return 0;
        value = value << 4 | static_cast<uint64_t>(digit ? c - '0' : c - 'a' + 10);
    }
    return value;
}

void write_identity(uint64_t value, char* out) noexcept {
    for (size_t i = kIdentityDigits; i-- > 0; value >>= 4)
        out[i] = "0123456789abcdef"[value & 15];
}

}  // namespace

std::string_view Exchange::request_cookie(std::string_view name) const noexcept {
    std::string_view found;
    request_.for_each([&](std::string_view, std::string_view line, FieldId id) {
        if (id == FieldId::cookie && !found.data()) found = http::find_cookie(line, name);
    });
    return found;
}

// Of the addresses in X-Forwarded-For, as it was received, the last that no trusted proxy stands
// for; the first one if all are proxies. Absent without the field, or from a peer that is not
// trusted.
std::string_view Exchange::forwarded_client() const noexcept {
    std::string_view client;
    if (!trusted_) return client;
    const http::FieldTable& fields = head.fields;
    for (const http::Field* line = fields.find(FieldId::x_forwarded_for); line;
         line = fields.next(*line)) {
        http::ListElements elements(fields.value(*line));
        for (std::string_view element; elements.next(element);) {
            net::Endpoint endpoint;
            bool proxy = net::Endpoint::from_ip(element, 0, endpoint) &&
                         hold_->snapshot->trusts(net::PeerAddress::from(endpoint.address()));
            if (!proxy || !client.data()) client = element;
        }
    }
    return client;
}

upstream::Affinity Exchange::affinity(const UpstreamSpec& spec) const noexcept {
    upstream::Affinity affinity;
    if (!spec.sticky_cookie.empty())
        affinity.sticky = read_identity(request_cookie(spec.sticky_cookie));
    if (spec.balance != upstream::Balance::hash) return affinity;
    char text[net::PeerAddress::text_bytes_max];
    std::string_view key;
    switch (spec.hash_by) {
        case upstream::HashBy::ip:
            key = forwarded_client();
            if (!key.data()) key = connection_->peer().text(text);
            break;
        case upstream::HashBy::header: key = request_.get(spec.hash_name); break;
        case upstream::HashBy::cookie: key = request_cookie(spec.hash_name); break;
    }
    affinity.has_key = key.data() != nullptr;
    affinity.key = upstream::hash_text(key);
    return affinity;
}

http::TrailerStore* Exchange::make_trailer_store() noexcept {
    auto* store = arena_.create<http::TrailerStore>();
    auto* text = static_cast<char*>(arena_.allocate(limits::trailer_bytes_max, 1));
    if (!store || !text) return nullptr;
    store->text = text;
    store->capacity = limits::trailer_bytes_max;
    return store;
}

// Trailers pass in both directions where somebody has said so: the client that it sends some
// (RFC 9110 §6.6.2) or understands them (§10.1.4). Nobody else pays for their memory. What is said
// of a body that plugins may have changed is not true any more.
void Exchange::begin_trailers() noexcept {
    upstream_request_.trailers = nullptr;
    upstream_request_.answer_trailers = nullptr;
    bool announced = framing.kind == http::BodyKind::chunked && source_ == connection_ &&
                     head.fields.has(FieldId::trailer);
    if (announced) {
        if (http::TrailerStore* store = make_trailer_store()) {
            connection_->keep_trailers(*store);
            upstream_request_.trailers = &store->fields;
        }
    }
    if (takes_trailers_ && head.version == http::Version::http_1_1)
        upstream_request_.answer_trailers = make_trailer_store();
}

void Exchange::finish_response() noexcept {
    bool may_have_some = session_ && answer_ == session_ && body_ == session_ &&
                         upstream_request_.answer_trailers;
    if (!may_have_some) return sink_->finish();
    sink_->finish_with(upstream_request_.answer_trailers->fields);
}

void Exchange::dispatch_upstream() noexcept {
    upstream::Upstream& target = *hold_->snapshot->upstreams[mount_->target];
    const UpstreamSpec& spec = target.spec();
    bool strip = spec.base_path == upstream::BasePath::strip;
    if (!spec.upgrades) upgrade_ = {};
    upstream::UpstreamRequest& request = upstream_request_;
    // By what the client sent, before this hop's own fields are added.
    request.affinity = affinity(spec);
    add_forwarding_fields(strip ? BaseSeen::stripped : BaseSeen::kept);
    edit(request_, spec.request_fields);
    request.method = head.method_text;
    request.method_id = head.method;
    request.path = strip ? http::strip_base_forwarded(forwarded_, match_.base_size) : forwarded_;
    request.query = head.query;
    request.authority = head.authority;
    request.fields = &request_;
    request.body_length = source_->length();
    request.upgrade = upgrade_;
    begin_trailers();
    if (spec.proxy_header != upstream::ProxyHeader::off)
        request.peers = {connection_->peer(), connection_->local_address()};
    session_ = core_.upstreams.send(target, request, fiber_);
    answer_ = session_;
    if (!answer_) answer_error({Reason::overload, Source::gateway, Retry::no, 0, 0});
}

// The answer's head as the client gets it. The server's own text is left where it is.
void Exchange::edit_upstream_answer() noexcept {
    if (!session_ || answer_ != session_) return;
    const UpstreamSpec& spec = session_->spec();
    bool strip = spec.base_path == upstream::BasePath::strip && mount_->base.size() > 1;
    if (strip && spec.rewrite_location) rewrite_paths();
    const upstream::Server& server = session_->server();
    if (!spec.sticky_cookie.empty() && server.identity() != upstream_request_.affinity.sticky)
        set_sticky_cookie(spec.sticky_cookie, server.identity());
    edit(response_, spec.response_fields);
}

// Before the session is given back. The text is the snapshot's, or kept_target_'s, until the line
// is written.
void Exchange::note_attempts() noexcept {
    if (!session_ || answer_ != session_) return;
    retries_ = session_->retries();
    if (const upstream::Server* server = session_->last_server()) server_ = server->url();
}

std::string_view Exchange::put_together(const http::Rewritten& parts) noexcept {
    size_t size = parts.before.size() + parts.base.size() + parts.after.size();
    auto* text = static_cast<char*>(arena_.allocate(size, 1));
    if (!text) return {};
    char* end = text;
    for (std::string_view part : {parts.before, parts.base, parts.after})
        end = std::copy(part.begin(), part.end(), end);
    return {text, size};
}

void Exchange::rewrite_paths() noexcept {
    std::string_view base = mount_->base;
    std::string_view location = response_.get(FieldId::location);
    if (location.data()) {
        const std::string& own = session_->server().spec().authority;
        http::Rewritten moved = http::rewrite_location(location, base, head.authority, own);
        std::string_view text = moved.changed ? put_together(moved) : std::string_view{};
        if (text.data()) (void)response_.set(FieldId::location, text);
    }
    const http::FieldTable& fields = answer_->head().fields;
    unsigned cookies = 0;
    unsigned changed = 0;
    for (const http::Field* field = fields.find(FieldId::set_cookie); field;
         field = fields.next(*field)) {
        ++cookies;
        changed += http::rewrite_cookie_path(fields.value(*field), base).changed ? 1 : 0;
    }
    if (changed == 0 || cookies > kCookiesRewrittenMax) return;
    // All lines anew, so that they stay in their order.
    response_.remove(FieldId::set_cookie);
    for (const http::Field* field = fields.find(FieldId::set_cookie); field;
         field = fields.next(*field)) {
        http::Rewritten moved = http::rewrite_cookie_path(fields.value(*field), base);
        std::string_view text = moved.changed ? put_together(moved) : std::string_view{};
        (void)response_.add(FieldId::set_cookie, text.data() ? text : fields.value(*field));
    }
}

void Exchange::set_sticky_cookie(std::string_view name, uint64_t identity) noexcept {
    char digits[kIdentityDigits + 1] = "=";
    write_identity(identity, digits + 1);
    static constexpr std::string_view attributes = "; HttpOnly; SameSite=Lax; Path=";
    std::string_view base = mount_->base.empty() ? std::string_view("/") : mount_->base;
    size_t size = name.size() + sizeof digits + attributes.size() + base.size();
    auto* text = static_cast<char*>(arena_.allocate(size, 1));
    if (!text) return;
    char* end = text;
    for (std::string_view part : {name, std::string_view(digits, sizeof digits), attributes, base})
        end = std::copy(part.begin(), part.end(), end);
    (void)response_.add(FieldId::set_cookie, {text, size});
}

}  // namespace ringtime::exchange
