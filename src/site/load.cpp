#include "site/load.h"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/log.h"
#include "site/cache.h"
#include "site/caching.h"
#include "site/inject.h"
#include "site/mime.h"
#include "site/path.h"

namespace ringtime::site {
namespace {

constexpr std::string_view kIndex = "index.html";

/// A sibling this much older than its file was made from another version of it. Not zero: copying a
/// tree writes the two in any order.
constexpr int64_t kStaleSiblingSeconds = 2;

/// There is nothing by that name, as opposed to: it may not be had.
bool means_missing(int error) noexcept {
    return error == ENOENT || error == ENOTDIR || error == ENAMETOOLONG;
}

/// Too young to tell a change by its time of modification. Negative: another machine's clock.
bool rests(const FileFacts& facts) noexcept {
    int64_t written = facts.modified_s * 1000 + facts.modified_ns / 1'000'000;
    int64_t age = static_cast<int64_t>(wall_clock_milliseconds()) - written;
    return age < 0 || age >= static_cast<int64_t>(ages::settle_ms);
}

/// A property of the path itself, as opposed to the machine's state.
bool means_refused(int error) noexcept {
    return error == EXDEV || error == ELOOP || error == EACCES || error == EPERM || error == ENXIO;
}

}  // namespace

Load::Load(SiteCache& cache, Entry& entry) noexcept : cache_(cache), entry_(entry) {
    // Without O_NONBLOCK a FIFO in the folder would hold a helper thread until somebody writes to
    // it.
    how_.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
    how_.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    settle_timer_.owner = this;
    settle_timer_.on_expire = [](loop::Timer& timer) noexcept {
        auto& self = *static_cast<Load*>(timer.owner);
        self.cache_.reactor_.wake(self);
    };
}

Load::~Load() {
    ASSERT(pending_ == 0);
    cache_.reactor_.disarm(settle_timer_);
    loop::Reactor::forget(*this);
    for (Probe& probe : probes_) {
        close(probe);
        if (probe.content) probe.content->release();
    }
    if (folder_) cache_.release_folder(*folder_);
}

void Load::start() noexcept {
    ++cache_.counters_.lookups;
    entry_.root->ask_folder(*this);
}

void Load::on_folder(Folder* folder, int error) noexcept {
    folder_ = folder;
    entry_.release = entry_.root->release();
    if (!folder) return finish_failed(error);
    open_first();
}

void Load::open_first() noexcept {
    std::string_view key = entry_.path();
    bool folder_form = key.ends_with('/');
    step_ = folder_form ? Step::index : Step::plain;
    open(probes_[0], key, folder_form ? kIndex : std::string_view());
}

void Load::submit(ring::Op& op) noexcept {
    op.owner = this;
    op.on_complete = &on_complete;
    ++pending_;
    cache_.reactor_.ring().submit(op);
}

void Load::on_complete(ring::Op& op) noexcept {
    Load& self = *static_cast<Load*>(op.owner);
    if (--self.pending_ == 0) self.cache_.reactor_.wake(self);
}

void Load::open(Probe& probe, std::string_view path, std::string_view suffix) noexcept {
    ASSERT(path.size() + suffix.size() < sizeof probe.path);
    if (path.data() != probe.path) path.copy(probe.path, path.size());
    size_t size = path.size() + suffix.copy(probe.path + path.size(), suffix.size());
    probe.path[size] = '\0';
    probe.op.kind = ring::OpKind::open_at;
    probe.op.fd = folder_->fd;
    probe.op.address = probe.path;
    probe.op.offset = reinterpret_cast<uint64_t>(&how_);
    submit(probe.op);
}

/// A rename anywhere on the machine makes a beneath-lookup that climbs (`a/../b` in a link) fail
/// with EAGAIN: it could not prove where it was. True when some open is under way once more.
bool Load::retry_opens() noexcept {
    for (Probe& probe : probes_) {
        if (probe.op.kind != ring::OpKind::open_at || probe.op.result != -EAGAIN) continue;
        if (++probe.attempts < limits::open_attempts_max) submit(probe.op);
    }
    return pending_ > 0;
}

int Load::opened(Probe& probe) noexcept {
    if (probe.op.result < 0) return -probe.op.result;
    probe.fd = probe.op.result;
    if (!read_facts(probe.fd, probe.facts)) return EIO;
    // Reads may wait again, on a helper thread: a file marked non-blocking would fail instead on
    // file systems that cannot tell beforehand.
    if (probe.facts.kind == FileFacts::Kind::file) ::fcntl(probe.fd, F_SETFL, 0);
    return 0;
}

void Load::run() noexcept {
    if (step_ != Step::reading && retry_opens()) return;
    switch (step_) {
        case Step::folder: return;
        case Step::plain: return on_plain();
        case Step::index: return on_index();
        case Step::codings: return on_codings();
        case Step::settling: return on_settled();
        case Step::reading: return on_read();
    }
}

void Load::on_plain() noexcept {
    Probe& probe = probes_[0];
    if (int error = opened(probe)) return finish_by(error);
    if (probe.facts.kind == FileFacts::Kind::file) return on_file();
    if (probe.facts.kind == FileFacts::Kind::other) return finish_by(EACCES);
    close(probe);
    size_t size = entry_.path().size();
    probe.path[size++] = '/';
    step_ = Step::index;
    open(probe, {probe.path, size}, kIndex);
}

// A folder without an index is no page: what the site does with missing paths applies.
void Load::on_index() noexcept {
    Probe& probe = probes_[0];
    int error = opened(probe);
    if (error == 0 && probe.facts.kind != FileFacts::Kind::file) error = ENOENT;
    if (error) return finish_by(error);
    if (entry_.path().ends_with('/')) return on_file();
    entry_.kind = Entry::Kind::redirect;
    finish();
}

void Load::on_file() noexcept {
    codings_ = coding_bit(Coding::identity);
    std::string_view path = probes_[0].path;
    bool made = adds_markup();
    // What a sibling holds is the file without the additions.
    if (made || !may_have_codings(media_type(extension_of(path)))) return next_content();
    step_ = Step::codings;
    for (unsigned i = 1; i < codings_count; ++i)
        open(probes_[i], path, coding_suffix(static_cast<Coding>(i)));
}

void Load::on_codings() noexcept {
    const FileFacts& plain = probes_[0].facts;
    for (unsigned i = 1; i < codings_count; ++i) {
        Probe& probe = probes_[i];
        if (opened(probe) == 0 && probe.facts.kind == FileFacts::Kind::file &&
            probe.facts.modified_s >= plain.modified_s - kStaleSiblingSeconds) {
            codings_ = static_cast<CodingSet>(codings_ | (1U << i));
        } else {
            close(probe);
        }
    }
    next_content();
}

/// Whether it may be sent in a coding made here, so that what is sent depends on the request.
bool Load::compressible() const noexcept {
    const Site& site = entry_.root->site;
    uint64_t size = probes_[0].facts.size;
    if (adds_markup()) size += site.injection().size();
    return site.options().compress && cache_.options_.compressor &&
           size >= limits::compress_bytes_min && size <= cache_.options_.memory_file_bytes &&
           compresses_well(media_type(extension_of(probes_[0].path)));
}

bool Load::varies() const noexcept {
    return codings_ != coding_bit(Coding::identity) || compressible();
}

ContentTraits Load::traits_of(unsigned index) const noexcept {
    const Site& site = entry_.root->site;
    std::string_view path = probes_[0].path;
    ContentTraits traits;
    traits.type = media_type(extension_of(path));
    if (traits.type.empty()) traits.type = unknown_type;
    traits.cache_control =
        cache_control_of(site.options().cache_rules, path, is_html(traits.type));
    traits.coding = static_cast<Coding>(index);
    traits.varies = varies();
    traits.compress = index == 0 && compressible();
    return traits;
}

// Takes the codings one after another: kept from the entry when nothing changed, else read, else
// left to be streamed.
void Load::next_content() noexcept {
    for (; index_ < codings_count; ++index_) {
        step_ = Step::reading;
        Probe& probe = probes_[index_];
        if (!(codings_ & (1U << index_))) continue;
        Content* known = entry_.contents[index_];
        if (known && known->facts() == probe.facts && known->varies() == varies()) {
            known->retain();
            probe.content = known;
            close(probe);
            continue;
        }
        if (must_settle(probe.facts)) return;
        read_attempts_ = 0;
        if (!begin_read(probe)) {
            stream(probe);
        } else if (probe.facts.size == 0) {
            take_bytes(probe);
        } else {
            return;
        }
    }
    publish_file();
}

/// True when the file is left alone for a moment first.
bool Load::must_settle(const FileFacts& facts) noexcept {
    if (rests(facts) || ++settle_attempts_ > limits::settle_attempts_max) return false;
    step_ = Step::settling;
    cache_.reactor_.arm(settle_timer_,
                        cache_.reactor_.now() + from_milliseconds(ages::settle_ms));
    return true;
}

void Load::on_settled() noexcept {
    Probe& probe = probes_[index_];
    if (!read_facts(probe.fd, probe.facts)) return finish_by(EIO);
    next_content();
}

/// What a page loaded before the last switch names is still there for a while. Only names that
/// stand for their content: others exist in both releases and mean another thing in each.
bool Load::try_previous_release() noexcept {
    Folder* before = entry_.root->previous();
    if (in_previous_ || !before || !has_hashed_name(entry_.path())) return false;
    in_previous_ = true;
    close(probes_[0]);
    cache_.release_folder(*folder_);
    folder_ = before;
    ++folder_->references;
    open_first();
    return true;
}

/// False when the file is not for memory. An empty one needs no read.
bool Load::begin_read(Probe& probe) noexcept {
    uint64_t size = probe.facts.size;
    if (size > cache_.options_.memory_file_bytes) return false;
    // A page without its base is broken: that one goes over the limit when all else is in use.
    if (!cache_.make_room(size) && !adds_markup()) return false;
    memory_ = FileMemory::make(size);
    if (!memory_) return false;
    filled_ = 0;
    if (size) read_more(probe);
    return true;
}

void Load::read_more(Probe& probe) noexcept {
    probe.op.kind = ring::OpKind::read;
    probe.op.fd = probe.fd;
    probe.op.address = memory_.bytes() + filled_;
    probe.op.offset = filled_;
    probe.op.length = static_cast<uint32_t>(
        std::min<uint64_t>(probe.facts.size - filled_, limits::load_read_bytes));
    submit(probe.op);
}

void Load::on_read() noexcept {
    Probe& probe = probes_[index_];
    int result = probe.op.result;
    if (result == -EINTR || result == -EAGAIN) return read_more(probe);
    if (result < 0) return finish_by(-result);
    filled_ += static_cast<uint64_t>(result);
    if (result > 0 && filled_ < probe.facts.size) return read_more(probe);
    FileFacts now;
    if (!read_facts(probe.fd, now)) return finish_by(EIO);
    if (filled_ == probe.facts.size && now.same_bytes(probe.facts)) {
        take_bytes(probe);
    } else {
        // Written to while it was read: what is here may be half of each version.
        probe.facts = now;
        if (++read_attempts_ < limits::load_attempts_max && begin_read(probe)) {
            if (now.size > 0) return;
            take_bytes(probe);
        } else {
            stream(probe);
        }
    }
    ++index_;
    next_content();
}

void Load::take_bytes(Probe& probe) noexcept {
    ++cache_.counters_.reads;
    uint64_t size = probe.facts.size;
    if (adds_markup()) {
        const Site& site = entry_.root->site;
        std::string other;
        if (entry_.base().data()) other = injection_of(entry_.base(), site.options().env_json);
        const std::string& injection = other.empty() ? site.injection() : other;
        size_t point = injection_point({memory_.bytes(), size});
        FileMemory made = FileMemory::make(size + injection.size());
        ASSERT(made);
        std::memcpy(made.bytes(), memory_.bytes(), point);
        std::memcpy(made.bytes() + point, injection.data(), injection.size());
        std::memcpy(made.bytes() + point + injection.size(), memory_.bytes() + point,
                    size - point);
        memory_ = std::move(made);
        size += injection.size();
    }
    probe.content =
        new Content(cache_, probe.facts, traits_of(index_), std::move(memory_), size);
    close(probe);
}

void Load::stream(Probe& probe) noexcept {
    if (adds_markup() && cache_.may_warn())
        log_format(LogLevel::warn, "site",
                   "{}/{} is too large to be held in memory: served without <base> and __env__",
                   entry_.root->site.options().folder, entry_.path());
    probe.content =
        new Content(cache_, probe.facts, traits_of(index_), std::exchange(probe.fd, -1));
}

void Load::publish_file() noexcept {
    for (unsigned i = 0; i < codings_count; ++i) {
        if (entry_.contents[i]) entry_.contents[i]->release();
        entry_.contents[i] = std::exchange(probes_[i].content, nullptr);
    }
    entry_.codings = codings_;
    entry_.kind = Entry::Kind::file;
    finish();
}

void Load::finish_by(int error) noexcept {
    if (means_missing(error)) {
        if (try_previous_release()) return;
        entry_.kind = Entry::Kind::missing;
    } else if (means_refused(error)) {
        entry_.kind = Entry::Kind::refused;
    } else {
        return finish_failed(error);
    }
    finish();
}

/// The machine's state, not the site's: the next request tries again.
void Load::finish_failed(int error) noexcept {
    bool short_of = error == EMFILE || error == ENFILE || error == ENOMEM || error == EAGAIN;
    entry_.kind = Entry::Kind::failed;
    entry_.error = {short_of ? Reason::overload : Reason::internal, Source::gateway, Retry::yes, 0,
                    static_cast<uint32_t>(error)};
    if (cache_.may_warn())
        log_format(LogLevel::warn, "site", "{}/{} cannot be read: {}",
                   entry_.root->site.options().folder, entry_.path(), std::strerror(error));
    finish();
}

void Load::finish() noexcept {
    Entry& entry = entry_;
    SiteCache& cache = cache_;
    if (entry.kind != Entry::Kind::file) {
        entry.codings = 0;
        for (Content*& content : entry.contents) {
            if (content) content->release();
            content = nullptr;
        }
    }
    // Counted from the folder's handle, which is older than anything opened beneath it.
    entry.valid_until = entry.kind == Entry::Kind::failed
                            ? 0
                            : entry.root->checked_at() + from_milliseconds(ages::fresh_ms);
    cache.loads_.destroy(this);
    cache.load_ended(entry);
}

void Load::close(Probe& probe) noexcept {
    if (probe.fd >= 0) cache_.close_later(std::exchange(probe.fd, -1));
}

bool Load::adds_markup() const noexcept {
    const Site& site = entry_.root->site;
    return !site.injection().empty() && entry_.path() == site.options().entrypoint;
}

}  // namespace ringtime::site
