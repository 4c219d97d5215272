// The body of a FileAnswer: texts of parts, bytes in memory, and streams from an open file.

#include <algorithm>
#include <cerrno>

#include "base/assert.h"
#include "ring/direct.h"
#include "site/answer.h"
#include "site/cache.h"

namespace ringtime::site {

using http::Pull;

// --- StreamBuffer ---

StreamBuffer::StreamBuffer(SiteCache& cache, FileAnswer& reader, Content& content) noexcept
    : cache_(cache), reader_(&reader), content_(content) {
    content_.retain();
}

void StreamBuffer::read(uint64_t offset, uint32_t size) noexcept {
    ASSERT(size > 0 && size <= limits::stream_buffer_bytes);
    offset_ = offset;
    size_ = size;
    op_.kind = ring::OpKind::read;
    op_.fd = content_.fd();
    op_.owner = this;
    op_.on_complete = &on_complete;
    ++references_;
    submit();
}

void StreamBuffer::submit() noexcept {
    op_.address = bytes_ + filled_;
    op_.offset = offset_ + filled_;
    op_.length = size_ - filled_;
    cache_.reactor_.ring().submit(op_);
}

void StreamBuffer::on_complete(ring::Op& op) noexcept {
    StreamBuffer& self = *static_cast<StreamBuffer*>(op.owner);
    if (op.result == -EINTR || op.result == -EAGAIN) return self.submit();
    if (op.result <= 0) return self.end_read(op.result ? -op.result : ESTALE);
    self.filled_ += static_cast<uint32_t>(op.result);
    if (self.filled_ < self.size_) return self.submit();
    FileFacts now;
    bool same = read_facts(op.fd, now) && now.same_bytes(self.content_.facts());
    self.end_read(same ? 0 : ESTALE);
}

void StreamBuffer::end_read(int error) noexcept {
    error_ = error;
    ready_ = true;
    if (reader_) reader_->wake_if_dry();
    release();
}

Piece StreamBuffer::lend(uint64_t offset, uint32_t max) noexcept {
    ASSERT(ready_ && error_ == 0 && holds(offset));
    auto begin = static_cast<uint32_t>(offset - offset_);
    ++references_;
    return {bytes_ + begin, std::min(max, size_ - begin), this, 0};
}

void StreamBuffer::leave() noexcept {
    left_ = true;
    release();
}

void StreamBuffer::abandon() noexcept {
    reader_ = nullptr;
    if (!left_) leave();
}

void StreamBuffer::release() noexcept {
    ASSERT(references_ > 0);
    if (--references_ == 0) cache_.give_buffer(*this);
}

// --- FileAnswer: the body ---

Pull FileAnswer::pull(Piece& out, uint32_t max) noexcept {
    ASSERT(phase_ == Phase::headed && max > 0);
    do {
        if (!text_.empty()) return pull_text(out, max);
        if (at_ < end_) return content_->bytes() ? pull_memory(out, max) : pull_stream(out, max);
    } while (next_part());
    return Pull::end;
}

http::FileRange FileAnswer::file() noexcept {
    bool worth_it = text_.empty() && end_ - at_ >= limits::kernel_sent_bytes_min;
    if (!worth_it || !error_.ok()) return {};
    if (content_->memory_fd() >= 0) return {content_->memory_fd(), at_, end_ - at_};
    if (content_->bytes() || read_at_ != at_ || buffers_held() > 0) return {};
    // The last bytes are read, so that the file is seen to be the same after all of it was sent:
    // what was written to meanwhile must not look like a whole answer.
    uint64_t size = std::min(end_ - at_ - limits::last_read_bytes,
                             limits::kernel_sent_bytes_max);
    if (!ring::is_resident(content_->fd(), at_, size)) return {};
    return {content_->fd(), at_, size};
}

void FileAnswer::skip(uint64_t size) noexcept {
    at_ += size;
    if (!content_->bytes()) read_at_ = at_;
}

/// A body of parts alternates: the head of a part, its range, and a last text.
bool FileAnswer::next_part() noexcept {
    if (!made_ || made_->ranges.count < 2 || step_ == 2 * made_->ranges.count) return false;
    ++step_;
    unsigned index = step_ / 2;
    if (step_ % 2 == 1) {
        at_ = read_at_ = made_->ranges.items[index].first;
        end_ = made_->ranges.items[index].last + 1;
    } else {
        uint32_t begin = made_->part_ends[index - 1];
        text_ = std::string_view(made_->parts).substr(begin, made_->part_ends[index] - begin);
    }
    return true;
}

Pull FileAnswer::pull_text(Piece& out, uint32_t max) noexcept {
    auto size = static_cast<uint32_t>(std::min<size_t>(text_.size(), max));
    out = {text_.data(), size, made_, 0};
    // Without a head of its own, an answer's text is static.
    if (made_) ++made_->references;
    text_.remove_prefix(size);
    return Pull::data;
}

Pull FileAnswer::pull_memory(Piece& out, uint32_t max) noexcept {
    auto size = static_cast<uint32_t>(std::min<uint64_t>(end_ - at_, max));
    content_->retain();
    out = {content_->bytes() + at_, size, content_, 0};
    at_ += size;
    return Pull::data;
}

Pull FileAnswer::pull_stream(Piece& out, uint32_t max) noexcept {
    if (!error_.ok()) return Pull::failed;
    read_ahead();
    StreamBuffer* buffer = front();
    if (!buffer || !buffer->ready()) {
        dry_ = true;
        return Pull::pending;
    }
    if (int error = buffer->error()) {
        if (error == ESTALE) ++cache_.counters_.changed;
        error_ = {Reason::internal, Source::gateway, Retry::no, 0, static_cast<uint32_t>(error)};
        return Pull::failed;
    }
    out = buffer->lend(at_, static_cast<uint32_t>(std::min<uint64_t>(max, end_ - at_)));
    at_ += out.size;
    if (!buffer->holds(at_)) buffer->leave();
    return Pull::data;
}

StreamBuffer* FileAnswer::front() noexcept {
    for (StreamBuffer* buffer : buffers_) {
        if (buffer && !buffer->left() && buffer->holds(at_)) return buffer;
    }
    return nullptr;
}

unsigned FileAnswer::buffers_held() const noexcept {
    unsigned held = 0;
    for (const StreamBuffer* buffer : buffers_) held += buffer ? 1 : 0;
    return held;
}

void FileAnswer::read_ahead() noexcept {
    unsigned held = buffers_held();
    for (StreamBuffer*& slot : buffers_) {
        if (slot || read_at_ == end_ || held >= cache_.buffers_allowed()) continue;
        slot = cache_.take_buffer(*this, *content_);
        if (!slot) {
            // With another buffer on its way the answer is woken by that one.
            if (held == 0 && !linked()) cache_.starved_.push_back(*this);
            return;
        }
        ++held;
        // Later reads begin at multiples of their size, as the kernel reads ahead.
        uint64_t aligned = limits::stream_buffer_bytes - read_at_ % limits::stream_buffer_bytes;
        auto size = static_cast<uint32_t>(std::min(aligned, end_ - read_at_));
        slot->read(read_at_, size);
        read_at_ += size;
    }
}

void FileAnswer::buffer_returned(const StreamBuffer* buffer, bool others_wait) noexcept {
    for (StreamBuffer*& slot : buffers_) {
        if (slot == buffer) slot = nullptr;
    }
    if (!error_.ok() || read_at_ == end_) return;
    if (!others_wait) {
        read_ahead();
    } else if (buffers_held() == 0 && !linked()) {
        cache_.starved_.push_back(*this);
    }
}

void FileAnswer::wake_if_dry() noexcept {
    if (dry_) wake();
    dry_ = false;
}

}  // namespace ringtime::site
