#include "http/framing.h"

#include "http/syntax.h"

namespace ringtime::http {
namespace {

struct ConnectionOptions {
    bool close = false;
    bool keep_alive = false;
    bool upgrade = false;
    bool too_many = false;
};

ConnectionOptions read_connection(const FieldTable& fields) noexcept {
    ConnectionOptions options;
    unsigned count = 0;
    for (const Field* line = fields.find(FieldId::connection); line; line = fields.next(*line)) {
        std::string_view value = fields.value(*line);
        // What nearly all clients send needs no reader of lists.
        if (value == "keep-alive") [[likely]] {
            options.too_many |= ++count > connection_options_max;
            options.keep_alive = true;
            continue;
        }
        ListElements elements(value);
        for (std::string_view option; elements.next(option);) {
            options.too_many |= ++count > connection_options_max;
            options.close |= equal_ignoring_case(option, "close");
            options.keep_alive |= equal_ignoring_case(option, "keep-alive");
            options.upgrade |= equal_ignoring_case(option, "upgrade");
        }
    }
    return options;
}

/// RFC 9112 §6.3 (5): the one value of the one line.
Refusal read_content_length(const FieldTable& fields, uint64_t& length) noexcept {
    const Field* line = fields.find(FieldId::content_length);
    if (line->next_same != 0) return Refusal::content_length_repeated;
    switch (parse_content_length(fields.value(*line), length)) {
        case LengthText::valid:
            return Refusal::none;
        case LengthText::invalid:
            return Refusal::content_length_invalid;
        case LengthText::overflow:
            return Refusal::content_length_overflow;
    }
    return Refusal::content_length_invalid;
}

/// RFC 9112 §6.1: exactly `chunked`. A list of other codings is something we do not do (501);
/// anything in which `chunked` is repeated, dressed up or not last is an attempt to be read in two
/// ways (400).
Refusal check_transfer_encoding(const FieldTable& fields) noexcept {
    const Field* line = fields.find(FieldId::transfer_encoding);
    if (line->next_same != 0) return Refusal::transfer_encoding_repeated;
    std::string_view value = fields.value(*line);
    if (equal_ignoring_case(value, "chunked")) [[likely]]
        return Refusal::none;
    for (bool last = false; !last;) {
        size_t comma = value.find(',');
        last = comma == std::string_view::npos;
        std::string_view coding = trim(value.substr(0, comma));
        if (!is_token(coding)) return Refusal::transfer_encoding_malformed;
        if (!last && equal_ignoring_case(coding, "chunked")) {
            return Refusal::transfer_encoding_malformed;
        }
        if (!last) value.remove_prefix(comma + 1);
    }
    return Refusal::transfer_encoding_unsupported;
}

/// The explicit delimitation that requests and responses share; `none` when there is none.
Refusal read_delimitation(const FieldTable& fields, Version version, Framing& framing) noexcept {
    bool has_length = fields.has(FieldId::content_length);
    if (fields.has(FieldId::transfer_encoding)) {
        // Whichever of the two a peer believes, another may believe the other: smuggling.
        if (has_length) return Refusal::length_with_transfer_encoding;
        if (version == Version::http_1_0) return Refusal::transfer_encoding_in_http_1_0;
        framing.kind = BodyKind::chunked;
        return check_transfer_encoding(fields);
    }
    if (!has_length) return Refusal::none;
    framing.kind = BodyKind::length;
    return read_content_length(fields, framing.length);
}

/// RFC 9110 §10.1.1: the only expectation is 100-continue; 1.0 does not know it.
Refusal check_expectation(const RequestHead& head, Framing& framing) noexcept {
    if (head.version == Version::http_1_0) return Refusal::none;
    const FieldTable& fields = head.fields;
    bool any = false;
    for (const Field* line = fields.find(FieldId::expect); line; line = fields.next(*line)) {
        ListElements elements(fields.value(*line));
        for (std::string_view expectation; elements.next(expectation); any = true) {
            if (!equal_ignoring_case(expectation, "100-continue"))
                return Refusal::expectation_unknown;
        }
    }
    if (!any) return Refusal::expectation_unknown;
    // Without content there is nothing to wait with.
    framing.expect_continue = framing.kind == BodyKind::chunked || framing.length > 0;
    return Refusal::none;
}

/// protocol = token [ "/" token ], RFC 9110 §7.8.
bool is_protocol(std::string_view text) noexcept {
    size_t slash = text.find('/');
    if (slash == std::string_view::npos) return is_token(text);
    return is_token(text.substr(0, slash)) && is_token(text.substr(slash + 1));
}

/// HTTP/2 begun by an upgrade would pass every rule of the gateway by, in whatever list it hides.
bool offers_tunnel_protocol(const FieldTable& fields) noexcept {
    const Field* line = fields.find(FieldId::upgrade);
    if (!line || line->next_same != 0) return false;
    unsigned count = 0;
    ListElements elements(fields.value(*line));
    for (std::string_view protocol; elements.next(protocol); ++count) {
        if (!is_protocol(protocol)) return false;
        std::string_view name = protocol.substr(0, protocol.find('/'));
        for (std::string_view http : {"h2c", "h2", "h3", "http", "tls"}) {
            if (equal_ignoring_case(name, http)) return false;
        }
    }
    return count > 0;
}

}  // namespace

Result<Framing> decide_framing(const RequestHead& head) noexcept {
    constexpr FieldSet kConcerned =
        field_bit(FieldId::content_length) | field_bit(FieldId::transfer_encoding) |
        field_bit(FieldId::connection) | field_bit(FieldId::expect) | field_bit(FieldId::upgrade);
    Framing framing;
    framing.keep_alive = head.version != Version::http_1_0;
    if ((head.fields.present() & kConcerned) == 0) return framing;

    Refusal refusal = read_delimitation(head.fields, head.version, framing);
    if (refusal != Refusal::none) return refuse(refusal);
    if (head.fields.has(FieldId::expect)) {
        refusal = check_expectation(head, framing);
        if (refusal != Refusal::none) return refuse(refusal);
    }
    ConnectionOptions options = read_connection(head.fields);
    if (options.too_many) return refuse(Refusal::connection_options_too_many);
    // RFC 9112 §9.3: `close` wins wherever it stands; 1.0 goes on only when it asks to.
    framing.keep_alive =
        !options.close && (head.version != Version::http_1_0 || options.keep_alive);
    // CVE-2026-58055: a request that carries a length or a coding is not upgraded, not even with 0.
    framing.upgrade = options.upgrade && head.version == Version::http_1_1 &&
                      head.method == Method::get && framing.kind == BodyKind::none &&
                      offers_tunnel_protocol(head.fields);
    return framing;
}

Result<Framing> decide_response_framing(const ResponseHead& head, Method request_method,
                                        Source source) noexcept {
    Framing framing;
    Refusal refusal = read_delimitation(head.fields, head.version, framing);
    if (refusal != Refusal::none) return refuse(refusal, source);
    ConnectionOptions options = read_connection(head.fields);
    if (options.too_many) return refuse(Refusal::connection_options_too_many, source);
    framing.keep_alive = !options.close && head.version == Version::http_1_1;

    bool interim = head.status < 200;
    if (head.status == 101) {
        if (!options.upgrade || !offers_tunnel_protocol(head.fields)) {
            return refuse(Refusal::switching_malformed, source);
        }
        framing.upgrade = true;
    }
    bool described = request_method == Method::head || head.status == 304;
    if (interim || head.status == 204 || described) {
        // RFC 9112 §6.3 (1): no body whatever the fields say. A peer that frames one where none can
        // be is likely to send it, too: that connection answers nothing further.
        bool contradicts = framing.kind == BodyKind::chunked || framing.length > 0;
        if (!described && contradicts) framing.keep_alive = false;
        if (described && framing.kind == BodyKind::length) framing.announced = framing.length;
        framing.kind = BodyKind::none;
        framing.length = 0;
        return framing;
    }
    if (framing.kind == BodyKind::none) {
        framing.kind = BodyKind::until_close;
        framing.keep_alive = false;
    }
    return framing;
}

bool upgrade_was_offered(const ResponseHead& head, std::string_view offered) noexcept {
    ListElements chosen(head.fields.get(FieldId::upgrade));
    unsigned count = 0;
    for (std::string_view protocol; chosen.next(protocol); ++count) {
        bool found = false;
        ListElements offers(offered);
        for (std::string_view offer; offers.next(offer);) {
            found |= equal_ignoring_case(offer, protocol);
        }
        if (!found) return false;
    }
    return count > 0;
}

}  // namespace ringtime::http
