#include "site/content.h"

#include <fmt/core.h>
#include <sys/stat.h>

#include <cstdlib>

#include "base/clock.h"
#include "http/date.h"
#include "http/head_writer.h"
#include "site/cache.h"
#include "site/mime.h"
#include "site/site.h"

namespace ringtime::site {
namespace {

using http::FieldId;

/// Strong: equal tags mean equal bytes. What is in memory is known by its bytes, on every machine
/// and however often it was deployed; what is streamed by its size and the nanosecond it was
/// written in.
std::string tag_of(Coding coding, uint64_t size, uint64_t version) {
    constexpr std::string_view marks[codings_count] = {"", "-b", "-z", "-g"};
    return fmt::format("\"{:x}-{:x}{}\"", size, version, marks[static_cast<unsigned>(coding)]);
}

/// The time told to clients: not one to come (RFC 9110 §8.8.2.1), nor one that cannot be written.
int64_t tellable_time(int64_t seconds) noexcept {
    auto now = static_cast<int64_t>(wall_clock_milliseconds() / 1000);
    return seconds >= 0 && seconds <= now ? seconds : -1;
}

/// Text without a charset is guessed at; what bundlers and editors write is UTF-8.
std::string type_text(std::string_view type) {
    return std::string(type) + (wants_charset(type) ? "; charset=utf-8" : "");
}

constexpr http::FieldSet kUnmodifiedFields =
    http::field_bit(FieldId::etag) | http::field_bit(FieldId::cache_control) |
    http::field_bit(FieldId::vary) | http::field_bit(FieldId::last_modified);

}  // namespace

bool read_facts(int fd, FileFacts& out) noexcept {
    struct stat status {};
    if (::fstat(fd, &status) != 0) return false;
    out.kind = S_ISREG(status.st_mode)   ? FileFacts::Kind::file
               : S_ISDIR(status.st_mode) ? FileFacts::Kind::folder
                                         : FileFacts::Kind::other;
    out.device = status.st_dev;
    out.inode = status.st_ino;
    out.size = static_cast<uint64_t>(status.st_size);
    out.modified_s = status.st_mtim.tv_sec;
    out.modified_ns = status.st_mtim.tv_nsec;
    out.changed_s = status.st_ctim.tv_sec;
    out.changed_ns = status.st_ctim.tv_nsec;
    return true;
}

HeadMaker::HeadMaker(http::ResponseHead& head, uint16_t status) noexcept : head_(head) {
    head.status = status;
    head.reason_phrase = http::standard_phrase(status);
    head.fields.clear();
}

void HeadMaker::add(FieldId id, std::string_view value) { add(http::field_name(id), value); }

void HeadMaker::add(std::string_view name, std::string_view value) {
    http::Field field;
    field.id = http::intern(name);
    field.name_offset = static_cast<uint16_t>(text_.size());
    field.name_size = static_cast<uint16_t>(name.size());
    // The form of a line on the wire, so that a writer copies it in one run.
    text_ += name;
    text_ += ": ";
    field.value_offset = static_cast<uint16_t>(text_.size());
    field.value_size = static_cast<uint16_t>(value.size());
    text_ += value;
    text_ += "\r\n";
    ASSERT(text_.size() <= UINT16_MAX && !head_.fields.full());
    head_.fields.add(field);
}

std::string HeadMaker::done() noexcept {
    // A short string would move with its owner and leave the head pointing at the old place.
    if (text_.size() < 64) text_.reserve(64);
    head_.fields.base = text_.data();
    return std::move(text_);
}

Content::Content(SiteCache& cache, const FileFacts& facts, const ContentTraits& traits,
                 FileMemory memory, uint64_t size)
    : cache_(cache), memory_(std::move(memory)), size_(size), facts_(facts), varies_(traits.varies),
      type_(type_text(traits.type)) {
    bool made = size != facts.size;
    // What was added may change while the file does not: then only the tag tells.
    validators_.last_modified = made ? -1 : tellable_time(facts.modified_s);
    make_heads(traits, tag_of(traits.coding, size, hash_bytes({memory_.bytes(), size}, 0)));
    if (traits.compress && size >= limits::compress_bytes_min)
        makeable_ = coding_bit(Coding::br) | coding_bit(Coding::zstd) | coding_bit(Coding::gzip);
    cache_.content_added(cost(), fd_);
}

Content::Content(const Content& plain, Coding coding, FileMemory memory, uint64_t size)
    : cache_(plain.cache_), memory_(std::move(memory)), size_(size), facts_(plain.facts_),
      varies_(true), type_(plain.type_) {
    validators_.last_modified = plain.validators_.last_modified;
    ContentTraits traits;
    traits.coding = coding;
    traits.cache_control = plain.ok_head_.fields.get(FieldId::cache_control);
    make_heads(traits, tag_of(coding, size, hash_bytes({memory_.bytes(), size}, 0)));
    cache_.content_added(cost(), fd_);
}

bool Content::begin_variant(Coding coding) noexcept {
    if (being_made_ & coding_bit(coding)) return false;
    being_made_ |= coding_bit(coding);
    return true;
}

void Content::end_variant(Coding coding, Content* variant) noexcept {
    makeable_ = static_cast<CodingSet>(makeable_ & ~coding_bit(coding));
    cancel_variant(coding);
    if (!variant) return;
    ASSERT(!variants_[static_cast<unsigned>(coding)]);
    variants_[static_cast<unsigned>(coding)] = variant;
    variants_set_ |= coding_bit(coding);
}

void Content::cancel_variant(Coding coding) noexcept {
    being_made_ = static_cast<CodingSet>(being_made_ & ~coding_bit(coding));
}

Content::Content(SiteCache& cache, const FileFacts& facts, const ContentTraits& traits, int fd)
    : cache_(cache), fd_(fd), size_(facts.size), facts_(facts), varies_(traits.varies),
      type_(type_text(traits.type)) {
    validators_.last_modified = tellable_time(facts.modified_s);
    auto written = static_cast<uint64_t>(facts.modified_s) * kNanosecondsPerSecond +
                   static_cast<uint64_t>(facts.modified_ns);
    make_heads(traits, tag_of(traits.coding, size_, written));
    cache_.content_added(cost(), fd_);
}

Content::~Content() {
    cache_.content_removed(cost(), fd_);
    for (Content* variant : variants_) {
        if (variant) variant->release();
    }
    if (fd_ >= 0) cache_.close_later(fd_);
}

void Content::release() noexcept {
    ASSERT(references_ > 0);
    if (--references_ == 0) delete this;
}

uint64_t Content::cost() const noexcept {
    return sizeof(Content) + text_.size() + (memory_ ? size_ : 0);
}

void Content::make_heads(const ContentTraits& traits, std::string_view etag) {
    HeadMaker maker(ok_head_, 200);
    maker.add(FieldId::content_type, type_);
    maker.add(FieldId::content_length, fmt::format("{}", size_));
    if (traits.coding != Coding::identity)
        maker.add(FieldId::content_encoding, coding_name(traits.coding));
    maker.add(FieldId::etag, etag);
    if (validators_.last_modified >= 0) {
        char date[http::http_date_size];
        http::format_http_date(validators_.last_modified, date);
        maker.add(FieldId::last_modified, {date, sizeof date});
    }
    maker.add(FieldId::cache_control, traits.cache_control);
    if (varies_) maker.add(FieldId::vary, "accept-encoding");
    maker.add("accept-ranges", "bytes");
    maker.add("x-content-type-options", "nosniff");
    text_ = maker.done();
    validators_.etag = ok_head_.fields.get(FieldId::etag);

    unmodified_head_.status = 304;
    unmodified_head_.reason_phrase = http::standard_phrase(304);
    unmodified_head_.fields.base = text_.data();
    for (unsigned i = 0; i < ok_head_.fields.size(); ++i) {
        const http::Field& field = ok_head_.fields[i];
        if (http::field_bit(field.id) & kUnmodifiedFields) unmodified_head_.fields.add(field);
    }
}

}  // namespace ringtime::site
