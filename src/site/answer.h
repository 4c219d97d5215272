#pragma once
// The answer of a site to one request. Waits for lookups, then decides everything once: coding,
// conditions, ranges, head. Bytes in memory go out as they lie there; files that are streamed come
// through two buffers of 128 KiB, one being sent while the next is read. A streamed file that
// changes on disk fails the answer: two versions are never mixed.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/list.h"
#include "base/slab.h"
#include "http/body.h"
#include "loop/runnable.h"
#include "ring/op.h"
#include "site/content.h"
#include "site/limits.h"
#include "site/range.h"
#include "site/site.h"

namespace ringtime::site {

/// What Allow says of every file.
inline constexpr std::string_view allowed_methods = "GET, HEAD, OPTIONS";

struct Entry;
class FileAnswer;
class SiteCache;

/// An answer that is the same every time.
struct FixedHead {
    enum class Kind : uint8_t { bad_request, not_found, method_not_allowed, options,
                                precondition_failed, uri_too_long, count_ };
    static constexpr size_t kinds_count = static_cast<size_t>(Kind::count_);

    void make(Kind kind);

    http::ResponseHead head;
    std::string text;
    std::string_view body;
    Reason reason = Reason::none;
};

/// A head made for one answer, and the heads of its parts. Outlives the answer while pieces of it
/// are on their way.
struct MadeHead final : PieceOwner {
    http::ResponseHead head;
    std::string text;
    RangeSet ranges;
    Slab<MadeHead>* home = nullptr;
    uint32_t references = 1;
    std::string parts;                              ///< Of all parts, one behind the other.
    uint32_t part_ends[limits::ranges_max + 1] = {};  ///< The last one ends the body.

    void release() noexcept {
        if (--references == 0) home->destroy(this);
    }
    void release_piece(uint64_t) noexcept override { release(); }
};

/// One read of a streamed file: being filled, being sent, or both over. Outlives its reader while
/// the kernel writes into it or pieces of it are on their way.
class StreamBuffer final : public PieceOwner {
 public:
    StreamBuffer(SiteCache& cache, FileAnswer& reader, Content& content) noexcept;

    void read(uint64_t offset, uint32_t size) noexcept;
    [[nodiscard]] bool ready() const noexcept { return ready_; }
    /// Everything was handed out.
    [[nodiscard]] bool left() const noexcept { return left_; }
    [[nodiscard]] int error() const noexcept { return error_; }
    [[nodiscard]] bool holds(uint64_t offset) const noexcept {
        return offset >= offset_ && offset - offset_ < size_;
    }
    /// The bytes from `offset` on, at most `max`. Takes a reference.
    [[nodiscard]] Piece lend(uint64_t offset, uint32_t max) noexcept;
    void release() noexcept;
    void release_piece(uint64_t) noexcept override { release(); }
    /// The reader has read everything in here; it is told when the buffer is free.
    void leave() noexcept;
    /// The reader is gone.
    void abandon() noexcept;

 private:
    friend class FileAnswer;
    friend class SiteCache;
    static void on_complete(ring::Op& op) noexcept;
    void submit() noexcept;
    void end_read(int error) noexcept;

    SiteCache& cache_;
    FileAnswer* reader_;
    Content& content_;
    ring::Op op_;
    uint64_t offset_ = 0;
    uint32_t size_ = 0;
    uint32_t filled_ = 0;
    uint32_t references_ = 1;  ///< The reader's, a read's in flight, one for each piece.
    int error_ = 0;
    bool ready_ = false;
    bool left_ = false;
    alignas(64) char bytes_[limits::stream_buffer_bytes];
};

class FileAnswer final : public http::Answer, public http::BodySource, public ListNode {
 public:
    FileAnswer(SiteCache& cache, const SiteRequest& request, loop::Runnable& waker) noexcept;
    FileAnswer(const FileAnswer&) = delete;
    FileAnswer& operator=(const FileAnswer&) = delete;

    Phase advance() noexcept override { return phase_; }
    /// 200, 204, 206, 301, 304, 400, 404, 405, 412, 414 or 416.
    const http::ResponseHead& head() const noexcept override { return *head_; }
    http::BodySource& body() noexcept override { return *this; }
    http::BodySink* request_body() noexcept override { return nullptr; }
    /// For a failed answer, and for a headed refusal, whose reason the caller may log or render in
    /// place of the plain text here.
    Error error() const noexcept override { return error_; }
    void release() noexcept override;

    http::Pull pull(Piece& out, uint32_t max) noexcept override;
    http::FileRange file() noexcept override;
    void skip(uint64_t size) noexcept override;
    /// Of the body as GET would have it, unknown for 304; for these two nothing is pulled.
    uint64_t length() const noexcept override { return length_; }

 private:
    friend class SiteCache;
    friend class StreamBuffer;

    void begin(const Site& site) noexcept;
    [[nodiscard]] bool may_be_page() const noexcept;
    void ask(const Site& site, std::string_view path) noexcept;
    void decide(Entry& entry) noexcept;
    void decide_missing(Entry& entry) noexcept;
    [[nodiscard]] Content& choose(Entry& entry) noexcept;
    void serve_file(Content& content) noexcept;
    void serve_whole(Content& content) noexcept;
    void serve_ranges(Content& content, const RangeSet& ranges) noexcept;
    void make_parts(MadeHead& made, const Content& content, const std::string& boundary);
    void refuse_ranges(const Content& content) noexcept;
    void redirect(const Site& site) noexcept;
    void fixed(FixedHead::Kind kind) noexcept;
    void head_with(const http::ResponseHead& head, uint64_t length) noexcept;
    void fail(Error error) noexcept;
    [[nodiscard]] MadeHead* make_head() noexcept;

    [[nodiscard]] bool next_part() noexcept;
    [[nodiscard]] http::Pull pull_text(Piece& out, uint32_t max) noexcept;
    [[nodiscard]] http::Pull pull_memory(Piece& out, uint32_t max) noexcept;
    [[nodiscard]] http::Pull pull_stream(Piece& out, uint32_t max) noexcept;
    [[nodiscard]] StreamBuffer* front() noexcept;
    [[nodiscard]] unsigned buffers_held() const noexcept;
    void read_ahead() noexcept;
    // tidy: allow(bool-parameter) private, and named at its calls
    void buffer_returned(const StreamBuffer* buffer, bool others_wait) noexcept;
    void wake() noexcept;
    void wake_if_dry() noexcept;

    SiteCache& cache_;
    const SiteRequest* request_;
    loop::Runnable& waker_;
    Phase phase_ = Phase::waiting;
    bool fallen_back_ = false;
    bool dry_ = false;  ///< The last pull said pending.
    Error error_;
    const http::ResponseHead* head_ = nullptr;
    Content* content_ = nullptr;
    MadeHead* made_ = nullptr;
    uint64_t length_ = 0;

    // The body: a text, then the range [at_, end_) of the content; with several ranges again and
    // again.
    std::string_view text_;
    unsigned step_ = 0;
    uint64_t at_ = 0;
    uint64_t end_ = 0;
    uint64_t read_at_ = 0;  ///< Up to here reads have been asked for.
    StreamBuffer* buffers_[limits::stream_buffers_per_answer] = {};
};

}  // namespace ringtime::site
