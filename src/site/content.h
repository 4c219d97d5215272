#pragma once
// One version of one file in one coding: its bytes in memory, or a descriptor to stream it from,
// and the heads that go with it. Immutable; lives until its cache entry, every answer and every
// piece of it are gone, so that a change on disk never reaches a running answer. One core's.

#include <cstdint>
#include <string>
#include <string_view>

#include "base/piece.h"
#include "http/head.h"
#include "site/memory.h"
#include "site/negotiate.h"
#include "site/validators.h"

namespace ringtime::site {

class SiteCache;

/// What the kernel says about an open file.
struct FileFacts {
    enum class Kind : uint8_t { file, folder, other };
    Kind kind = Kind::other;
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t size = 0;
    int64_t modified_s = 0;
    int64_t modified_ns = 0;
    int64_t changed_s = 0;
    int64_t changed_ns = 0;

    friend bool operator==(const FileFacts&, const FileFacts&) = default;
    /// Whether the bytes can be trusted to be the same. Not the change time: the rename that
    /// replaces a file touches it and leaves the bytes alone.
    [[nodiscard]] bool same_bytes(const FileFacts& other) const noexcept {
        return size == other.size && modified_s == other.modified_s &&
               modified_ns == other.modified_ns;
    }
};

/// fstat of an open descriptor: no path, no wait. False when the kernel refuses.
[[nodiscard]] bool read_facts(int fd, FileFacts& out) noexcept;

/// Makes a head that is sent many times: its text holds whole lines in the form of the wire, which
/// a writer copies as they are (http::HeadBuilder's fields are checked and joined every time). The
/// text grows and may move until done().
class HeadMaker {
 public:
    HeadMaker(http::ResponseHead& head, uint16_t status) noexcept;
    void add(http::FieldId id, std::string_view value);
    void add(std::string_view name, std::string_view value);
    /// Hands over the text, which must live as long as the head.
    [[nodiscard]] std::string done() noexcept;

 private:
    http::ResponseHead& head_;
    std::string text_;
};

struct ContentTraits {
    std::string_view type;
    std::string_view cache_control;
    Coding coding = Coding::identity;
    bool varies = false;  ///< Other codings of the same file exist or may come to.
    bool compress = false;  ///< They may be made from this one.
};

class Content final : public PieceOwner {
 public:
    /// In memory. Another `size` than the file's says that the bytes are not what lies on disk but
    /// made from it.
    Content(SiteCache& cache, const FileFacts& facts, const ContentTraits& traits,
            FileMemory memory, uint64_t size);
    /// Made by us from `plain`, in another coding.
    Content(const Content& plain, Coding coding, FileMemory memory, uint64_t size);
    /// Streamed: `fd` becomes this object's.
    Content(SiteCache& cache, const FileFacts& facts, const ContentTraits& traits, int fd);
    Content(const Content&) = delete;
    Content& operator=(const Content&) = delete;

    [[nodiscard]] const FileFacts& facts() const noexcept { return facts_; }
    [[nodiscard]] uint64_t size() const noexcept { return size_; }
    /// Null when it is streamed.
    [[nodiscard]] const char* bytes() const noexcept { return memory_.bytes(); }
    /// A file in memory with these bytes, or -1.
    [[nodiscard]] int memory_fd() const noexcept { return memory_.fd(); }
    [[nodiscard]] int fd() const noexcept { return fd_; }
    [[nodiscard]] bool varies() const noexcept { return varies_; }
    [[nodiscard]] std::string_view type() const noexcept { return type_; }
    [[nodiscard]] const Validators& validators() const noexcept { return validators_; }
    [[nodiscard]] const http::ResponseHead& ok_head() const noexcept { return ok_head_; }
    [[nodiscard]] const http::ResponseHead& unmodified_head() const noexcept {
        return unmodified_head_;
    }

    // --- Codings made from this one. They go when it goes: a new version begins without. ---
    /// Those that are there, and those that may yet be.
    [[nodiscard]] CodingSet variants() const noexcept { return variants_set_; }
    [[nodiscard]] CodingSet makeable() const noexcept { return makeable_; }
    [[nodiscard]] Content* variant(Coding coding) const noexcept {
        return variants_[static_cast<unsigned>(coding)];
    }
    /// False when that was asked for before.
    [[nodiscard]] bool begin_variant(Coding coding) noexcept;
    /// Ends begin_variant(): with null there will be none.
    void end_variant(Coding coding, Content* variant) noexcept;
    /// There was no room to try: another may.
    void cancel_variant(Coding coding) noexcept;

    void retain() noexcept { ++references_; }
    void release() noexcept;
    void release_piece(uint64_t) noexcept override { release(); }

 private:
    ~Content();
    void make_heads(const ContentTraits& traits, std::string_view etag);
    [[nodiscard]] uint64_t cost() const noexcept;

    SiteCache& cache_;
    uint32_t references_ = 1;
    int fd_ = -1;
    FileMemory memory_;
    uint64_t size_;
    FileFacts facts_;
    bool varies_;
    CodingSet variants_set_ = 0;
    CodingSet makeable_ = 0;
    CodingSet being_made_ = 0;
    Content* variants_[codings_count] = {};
    std::string type_;
    std::string text_;
    Validators validators_;
    http::ResponseHead ok_head_;
    http::ResponseHead unmodified_head_;
};

}  // namespace ringtime::site
