#include "site/answer.h"

#include <fmt/core.h>

#include <algorithm>

#include "base/clock.h"
#include "site/cache.h"
#include "site/mime.h"
#include "site/path.h"

namespace ringtime::site {
namespace {

using http::FieldId;
using http::Method;

/// Any of these makes a request more than "the whole file".
constexpr http::FieldSet kConditions =
    http::field_bit(FieldId::if_match) | http::field_bit(FieldId::if_none_match) |
    http::field_bit(FieldId::if_modified_since) | http::field_bit(FieldId::if_unmodified_since) |
    http::field_bit(FieldId::range);

constexpr size_t kLocationBytesMax = 4096;

int64_t seconds_now() noexcept { return static_cast<int64_t>(wall_clock_milliseconds() / 1000); }

}  // namespace

void FixedHead::make(Kind kind) {
    struct Row {
        uint16_t status;
        Reason reason;
    };
    constexpr Row rows[kinds_count] = {
        {400, Reason::bad_request}, {404, Reason::not_found}, {405, Reason::method_not_allowed},
        {204, Reason::none},        {412, Reason::none},      {414, Reason::uri_too_long},
    };
    const Row& row = rows[static_cast<size_t>(kind)];
    reason = row.reason;
    body = describe(reason).message;
    HeadMaker maker(head, row.status);
    if (kind == Kind::method_not_allowed || kind == Kind::options)
        maker.add(FieldId::allow, allowed_methods);
    if (!body.empty()) {
        maker.add(FieldId::content_type, "text/plain; charset=utf-8");
        maker.add("x-content-type-options", "nosniff");
    }
    if (kind != Kind::options) {
        maker.add(FieldId::content_length, fmt::format("{}", body.size()));
        maker.add(FieldId::cache_control, "no-cache");
    }
    text = maker.done();
}

FileAnswer::FileAnswer(SiteCache& cache, const SiteRequest& request, loop::Runnable& waker) noexcept
    : cache_(cache), request_(&request), waker_(waker) {}

void FileAnswer::release() noexcept {
    if (linked()) unlink();
    for (StreamBuffer*& buffer : buffers_) {
        if (buffer) buffer->abandon();
        buffer = nullptr;
    }
    if (content_) content_->release();
    if (made_) made_->release();
    SiteCache& cache = cache_;
    cache.destroy(*this);
    // It may have been woken for a buffer that it has not taken.
    cache.wake_starved();
}

void FileAnswer::begin(const Site& site) noexcept {
    Method method = request_->method;
    if (method == Method::options) return fixed(FixedHead::Kind::options);
    if (method != Method::get && method != Method::head)
        return fixed(FixedHead::Kind::method_not_allowed);
    char decoded[limits::path_bytes_max];
    DecodedPath path = decode_path(request_->path, decoded);
    std::string_view entrypoint = site.options().entrypoint;
    switch (path.verdict) {
        case PathVerdict::malformed: return fixed(FixedHead::Kind::bad_request);
        case PathVerdict::refused: return fixed(FixedHead::Kind::not_found);
        case PathVerdict::missing:
            // No file can be there, but a page of the application's own router.
            if (!may_be_page()) return fixed(FixedHead::Kind::not_found);
            return ask(site, entrypoint);
        case PathVerdict::ok: return ask(site, path.text.empty() ? entrypoint : path.text);
    }
}

void FileAnswer::ask(const Site& site, std::string_view path) noexcept {
    const SiteOptions& options = site.options();
    std::string_view base = request_->base;
    bool told = options.inject_base && base.data() && base != options.base &&
                path == options.entrypoint && base.size() <= limits::path_bytes_max;
    if (!told) return cache_.ask(site, path, *this);
    char name[2 * limits::path_bytes_max + 1];
    if (path.size() > limits::path_bytes_max) return cache_.ask(site, path, *this);
    size_t size = path.copy(name, path.size());
    name[size++] = '\0';
    size += base.copy(name + size, base.size());
    cache_.ask(site, {name, size}, *this);
}

/// Whether the entrypoint stands in for a missing path: a page is asked for, or what it could be is
/// not known. A missing script must not become a page that the browser then fails to parse.
bool FileAnswer::may_be_page() const noexcept {
    std::string_view type = media_type(extension_of(request_->path));
    return type.empty() || is_html(type) || wants_html(*request_->fields);
}

void FileAnswer::decide(Entry& entry) noexcept {
    switch (entry.kind) {
        case Entry::Kind::unknown: ASSERT(entry.kind != Entry::Kind::unknown); return;
        case Entry::Kind::file: return serve_file(choose(entry));
        case Entry::Kind::redirect: return redirect(entry.root->site);
        case Entry::Kind::missing: return decide_missing(entry);
        case Entry::Kind::refused: return fixed(FixedHead::Kind::not_found);
        case Entry::Kind::failed: return fail(entry.error);
    }
}

/// The coding the client likes best of those that are there. One that is not but could be is made
/// for later requests.
Content& FileAnswer::choose(Entry& entry) noexcept {
    const http::FieldDraft& fields = *request_->fields;
    Content& plain = *entry.contents[0];
    if (!plain.varies() || !(fields.present() & http::field_bit(FieldId::accept_encoding)))
        return plain;
    AcceptedCodings accepted(fields);
    CodingSet there = entry.codings;
    // What we make comes and goes with memory: parts of it would not fit together.
    if (!fields.has(FieldId::range)) {
        auto makeable = static_cast<CodingSet>(plain.makeable() & ~there);
        there |= plain.variants();
        Coding best = accepted.best_of(there | makeable);
        if (makeable & coding_bit(best)) cache_.compress(plain, best);
    }
    Coding coding = accepted.best_of(there);
    if (coding == Coding::identity) return plain;
    // Who has it plain needs no other form of the same.
    std::string_view known = fields.get(FieldId::if_none_match);
    if (known.data() && list_holds(known, plain.validators().etag, Comparison::weak)) return plain;
    Content* lying = entry.contents[static_cast<unsigned>(coding)];
    return lying ? *lying : *plain.variant(coding);
}

void FileAnswer::decide_missing(Entry& entry) noexcept {
    if (fallen_back_ || !may_be_page()) return fixed(FixedHead::Kind::not_found);
    fallen_back_ = true;
    ++entry.pins;
    ask(entry.root->site, entry.root->site.options().entrypoint);
    --entry.pins;
}

void FileAnswer::serve_file(Content& content) noexcept {
    const http::FieldDraft& fields = *request_->fields;
    if (!(fields.present() & kConditions)) return serve_whole(content);
    int64_t now = seconds_now();
    switch (evaluate_preconditions(fields, content.validators(), now)) {
        case Precondition::failed: return fixed(FixedHead::Kind::precondition_failed);
        case Precondition::not_modified:
            content.retain();
            content_ = &content;
            // The length of what is not sent would be the whole's; nobody needs it.
            return head_with(content.unmodified_head(), unknown_length);
        case Precondition::proceed: break;
    }
    // Only GET knows ranges (RFC 9110 §14.2).
    if (request_->method != Method::get || !fields.has(FieldId::range) ||
        !if_range_holds(fields, content.validators(), now))
        return serve_whole(content);
    RangeSet ranges = resolve_ranges(fields.get(FieldId::range), content.size());
    switch (ranges.kind) {
        case RangeSet::Kind::whole: return serve_whole(content);
        case RangeSet::Kind::unsatisfiable: return refuse_ranges(content);
        case RangeSet::Kind::partial: return serve_ranges(content, ranges);
    }
}

void FileAnswer::head_with(const http::ResponseHead& head, uint64_t length) noexcept {
    head_ = &head;
    length_ = length;
    phase_ = Phase::headed;
    if (request_->method == Method::head) {
        text_ = {};
        end_ = at_;
    }
}

void FileAnswer::serve_whole(Content& content) noexcept {
    content.retain();
    content_ = &content;
    at_ = read_at_ = 0;
    end_ = content.size();
    head_with(content.ok_head(), content.size());
}

MadeHead* FileAnswer::make_head() noexcept {
    made_ = cache_.made_heads().create();
    if (made_) made_->home = &cache_.made_heads();
    return made_;
}

void FileAnswer::serve_ranges(Content& content, const RangeSet& ranges) noexcept {
    // A server may ignore Range at any time (§14.2), so also when it has no room for the head.
    MadeHead* made = make_head();
    if (!made) return serve_whole(content);
    content.retain();
    content_ = &content;
    made->ranges = ranges;
    const ByteRange& first = ranges.items[0];
    bool single = ranges.count == 1;
    uint64_t length = first.size();
    std::string type(content.type());
    if (!single) {
        std::string boundary = cache_.next_boundary();
        make_parts(*made, content, boundary);
        length = made->parts.size();
        for (unsigned i = 0; i < ranges.count; ++i) length += ranges.items[i].size();
        type = "multipart/byteranges; boundary=" + boundary;
    }
    HeadMaker maker(made->head, 206);
    if (single)
        maker.add(FieldId::content_range,
                  fmt::format("bytes {}-{}/{}", first.first, first.last, content.size()));
    const http::FieldTable& whole = content.ok_head().fields;
    for (unsigned i = 0; i < whole.size(); ++i) {
        const http::Field& field = whole[i];
        if (field.id == FieldId::content_length) {
            maker.add(FieldId::content_length, fmt::format("{}", length));
        } else if (field.id == FieldId::content_type) {
            maker.add(FieldId::content_type, type);
        } else {
            maker.add(whole.name(field), whole.value(field));
        }
    }
    made->text = maker.done();
    if (single) {
        at_ = read_at_ = first.first;
        end_ = first.last + 1;
    }
    head_with(made->head, length);
}

void FileAnswer::make_parts(MadeHead& made, const Content& content, const std::string& boundary) {
    for (unsigned i = 0; i < made.ranges.count; ++i) {
        const ByteRange& range = made.ranges.items[i];
        made.parts += fmt::format(
            "{}--{}\r\ncontent-type: {}\r\ncontent-range: bytes {}-{}/{}\r\n\r\n",
            i ? "\r\n" : "", boundary, content.type(), range.first, range.last, content.size());
        made.part_ends[i] = static_cast<uint32_t>(made.parts.size());
    }
    made.parts += fmt::format("\r\n--{}--\r\n", boundary);
    made.part_ends[made.ranges.count] = static_cast<uint32_t>(made.parts.size());
    text_ = std::string_view(made.parts).substr(0, made.part_ends[0]);
}

void FileAnswer::refuse_ranges(const Content& content) noexcept {
    MadeHead* made = make_head();
    if (!made) return fail({Reason::overload, Source::gateway, Retry::no, 0, 0});
    HeadMaker maker(made->head, 416);
    maker.add(FieldId::content_range, fmt::format("bytes */{}", content.size()));
    maker.add(FieldId::content_length, "0");
    made->text = maker.done();
    head_with(made->head, 0);
}

// To the same path with its slash, below the mount. Absolute in path, so that no base element of a
// page and no doubled slash can lead it to another host.
void FileAnswer::redirect(const Site& site) noexcept {
    std::string_view base = request_->base.data() ? request_->base : site.options().base;
    if (base.ends_with('/')) base.remove_suffix(1);
    std::string location = fmt::format("{}{}/", base, request_->path);
    if (request_->query.data()) location.append("?").append(request_->query);
    if (location.size() > kLocationBytesMax) return fixed(FixedHead::Kind::uri_too_long);
    MadeHead* made = make_head();
    if (!made) return fail({Reason::overload, Source::gateway, Retry::no, 0, 0});
    HeadMaker maker(made->head, 301);
    maker.add(FieldId::location, location);
    maker.add(FieldId::content_length, "0");
    maker.add(FieldId::cache_control, "no-cache");
    made->text = maker.done();
    head_with(made->head, 0);
}

void FileAnswer::fixed(FixedHead::Kind kind) noexcept {
    const FixedHead& fixed = cache_.fixed(kind);
    if (fixed.reason != Reason::none) error_ = {fixed.reason, Source::client, Retry::no, 0, 0};
    text_ = fixed.body;
    head_with(fixed.head, fixed.body.size());
}

void FileAnswer::fail(Error error) noexcept {
    error_ = error;
    phase_ = Phase::failed;
}

void FileAnswer::wake() noexcept { cache_.reactor_.wake(waker_); }

}  // namespace ringtime::site
