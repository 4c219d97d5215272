#include "http/body_decoder.h"

#include <algorithm>

#include "base/assert.h"
#include "http/field_section.h"
#include "http/hop_by_hop.h"
#include "http/syntax.h"

namespace ringtime::http {

BodyDecoder::BodyDecoder(const Framing& framing, Source source, TrailerStore* trailers) noexcept
    : source_(source), trailers_(trailers) {
    if (trailers_) {
        trailers_->size = 0;
        trailers_->fields.clear();
    }
    switch (framing.kind) {
        case BodyKind::none:
            break;
        case BodyKind::length:
            remaining_ = framing.length;
            state_ = framing.length > 0 ? State::length : State::done;
            break;
        case BodyKind::chunked:
            state_ = State::size_begin;
            break;
        case BodyKind::until_close:
            state_ = State::until_close;
            break;
    }
}

BodyDecoder::End BodyDecoder::on_eof() const noexcept {
    bool complete = state_ == State::done || state_ == State::until_close;
    return complete ? End::complete : End::truncated;
}

void BodyDecoder::skip(uint64_t size) noexcept {
    ASSERT(size <= remaining_);
    remaining_ -= size;
    decoded_ += size;
    if (size == 0 || remaining_ > 0) return;
    state_ = state_ == State::length ? State::done : State::chunk_data_cr;
}

BodyDecoder::Step BodyDecoder::decode(const char* data, size_t size) noexcept {
    Step step;
    while (step.consumed < size) {
        switch (state_) {
            case State::done:
                step.done = true;
                return step;
            case State::failed:
                if (step.size == 0) step.error = refuse(refusal_, source_);
                return step;
            case State::until_close:
                decoded_ += size;
                return {data, size, size, false, {}};
            case State::length:
            case State::chunk_data: {
                // One span per step; what lies behind its framing is the next one's.
                if (step.size != 0) return step;
                step.data = data + step.consumed;
                step.size =
                    static_cast<size_t>(std::min<uint64_t>(remaining_, size - step.consumed));
                step.consumed += step.size;
                remaining_ -= step.size;
                decoded_ += step.size;
                if (remaining_ == 0) {
                    state_ = state_ == State::length ? State::done : State::chunk_data_cr;
                }
                break;
            }
            default:
                refusal_ = take(data[step.consumed]);
                if (refusal_ == Refusal::none) [[likely]] {
                    ++step.consumed;
                    break;
                }
                // The faulty byte stays; data found before it is yielded first.
                state_ = State::failed;
                break;
        }
    }
    step.done = state_ == State::done;
    if (state_ == State::failed && step.size == 0) step.error = refuse(refusal_, source_);
    return step;
}

Refusal BodyDecoder::go(State next) noexcept {
    state_ = next;
    return Refusal::none;
}

/// One byte of framing.
Refusal BodyDecoder::take(char byte) noexcept {
    switch (state_) {
        case State::size_begin:
        case State::size_digits:
            return take_size(byte);
        case State::line_lf:
            if (byte != '\n') return Refusal::bare_cr;
            end_line();
            return Refusal::none;
        case State::chunk_data_cr:
            return byte == '\r' ? go(State::chunk_data_lf) : Refusal::chunk_end_missing;
        case State::chunk_data_lf:
            return byte == '\n' ? go(State::size_begin) : Refusal::chunk_end_missing;
        case State::trailer_begin:
        case State::trailer_name:
        case State::trailer_value:
        case State::trailer_lf:
        case State::final_lf:
            return take_trailer(byte);
        default:
            return take_extension(byte);
    }
}

Refusal BodyDecoder::take_size(char byte) noexcept {
    unsigned digit = hex_value(byte);
    if (digit < 16) {
        if (state_ == State::size_begin) {
            remaining_ = 0;
            size_digits_ = 0;
            line_bytes_ = 0;
        }
        // Sixteen digits are what the largest size needs; leading zeros are not for free.
        ++line_bytes_;
        if (++size_digits_ > 16 || remaining_ >> 59 != 0) return Refusal::chunk_size_overflow;
        remaining_ = remaining_ << 4 | digit;
        return go(State::size_digits);
    }
    if (state_ == State::size_begin) {
        return byte == '\n' ? Refusal::bare_lf : Refusal::chunk_size_missing;
    }
    if (byte == '\r') return go(State::line_lf);
    if (byte == '\n') return Refusal::bare_lf;
    if (byte != ';' && byte != ' ' && byte != '\t') return Refusal::chunk_size_byte;
    state_ = State::extension_end;
    return take_extension(byte);
}

/// chunk-ext = *( BWS ";" BWS chunk-ext-name [ BWS "=" BWS chunk-ext-val ] ), RFC 9112 §7.1.1.
Refusal BodyDecoder::take_extension(char byte) noexcept {
    if (byte == '\n') return Refusal::bare_lf;
    if (byte != '\r') {
        if (++line_bytes_ > limits::chunk_line_bytes_max) return Refusal::chunk_line_too_long;
        if (++extension_bytes_ > limits::chunk_extension_bytes_max) {
            return Refusal::chunk_extensions_too_large;
        }
    }
    bool blank = byte == ' ' || byte == '\t';
    bool token = is_class(byte, kTokenChar);
    switch (state_) {
        case State::extension_end:
            return after_value(byte);
        case State::extension_bws:
            if (blank) return Refusal::none;
            return byte == ';' ? go(State::extension_name_bws) : Refusal::chunk_extension_byte;
        case State::extension_name_bws:
            if (blank) return Refusal::none;
            return token ? go(State::extension_name) : Refusal::chunk_extension_byte;
        case State::extension_name:
            if (token) return Refusal::none;
            if (byte == '=') return go(State::extension_value_bws);
            return blank ? go(State::extension_equals_bws) : after_value(byte);
        case State::extension_equals_bws:
            if (blank) return Refusal::none;
            if (byte == '=') return go(State::extension_value_bws);
            return byte == ';' ? go(State::extension_name_bws) : Refusal::chunk_extension_byte;
        case State::extension_value_bws:
            if (blank) return Refusal::none;
            if (byte == '"') return go(State::extension_quoted);
            return token ? go(State::extension_token) : Refusal::chunk_extension_byte;
        case State::extension_token:
            return token ? Refusal::none : after_value(byte);
        case State::extension_quoted:
            if (byte == '"') return go(State::extension_end);
            if (byte == '\\') return go(State::extension_quoted_pair);
            return is_class(byte, kValueChar) ? Refusal::none : Refusal::chunk_extension_byte;
        case State::extension_quoted_pair:
            return is_class(byte, kValueChar) ? go(State::extension_quoted)
                                              : Refusal::chunk_extension_byte;
        default:
            return Refusal::chunk_extension_byte;
    }
}

/// Behind a size, a name or a value: the next extension or the line's end.
Refusal BodyDecoder::after_value(char byte) noexcept {
    switch (byte) {
        case '\r':
            return go(State::line_lf);
        case ';':
            return go(State::extension_name_bws);
        case ' ':
        case '\t':
            return go(State::extension_bws);
        default:
            return Refusal::chunk_extension_byte;
    }
}

void BodyDecoder::end_line() noexcept {
    state_ = remaining_ > 0 ? State::chunk_data : State::trailer_begin;
}

Refusal BodyDecoder::take_trailer(char byte) noexcept {
    if (++trailer_bytes_ > limits::trailer_bytes_max) return Refusal::trailers_too_large;
    if (trailers_ && trailers_->size < trailers_->capacity)
        trailers_->text[trailers_->size++] = byte;
    bool blank = byte == ' ' || byte == '\t';
    switch (state_) {
        case State::trailer_begin:
            if (byte == '\r') return go(State::final_lf);
            if (byte == '\n') return Refusal::bare_lf;
            if (blank) return trailer_lines_ == 0 ? Refusal::leading_whitespace : Refusal::obs_fold;
            if (byte == ':') return Refusal::field_name_empty;
            if (!is_class(byte, kTokenChar)) return Refusal::field_name_byte;
            if (++trailer_lines_ > limits::fields_max) return Refusal::trailers_too_many;
            return go(State::trailer_name);
        case State::trailer_name:
            if (is_class(byte, kTokenChar)) return Refusal::none;
            if (byte == ':') return go(State::trailer_value);
            if (blank) return Refusal::field_space_before_colon;
            if (byte == '\r') return Refusal::field_colon_missing;
            return byte == '\n' ? Refusal::bare_lf : Refusal::field_name_byte;
        case State::trailer_value:
            if (is_class(byte, kValueChar)) return Refusal::none;
            if (byte == '\r') return go(State::trailer_lf);
            return byte == '\n' ? Refusal::bare_lf : Refusal::field_value_byte;
        case State::trailer_lf:
            return byte == '\n' ? go(State::trailer_begin) : Refusal::bare_cr;
        default:
            if (byte != '\n') return Refusal::bare_cr;
            keep_trailers();
            return go(State::done);
    }
}

// The section was checked byte by byte; reading it a second time finds the lines' parts.
void BodyDecoder::keep_trailers() noexcept {
    if (!trailers_) return;
    FieldTable& kept = trailers_->fields;
    kept.clear();
    kept.base = trailers_->text;
    if (trailers_->size != trailer_bytes_) return;
    FieldTable all;
    all.base = trailers_->text;
    detail::FieldSection section;
    section.aliases = detail::FieldSection::Aliases::pass;
    section.start(0);
    detail::Step step = section.advance(portable_scan(), trailers_->text, trailers_->size, all);
    ASSERT(step == detail::Step::next);
    for (unsigned i = 0; i < all.size(); ++i) {
        if (is_forwardable_trailer(all[i].id, all.name(all[i]))) kept.add(all[i]);
    }
}

}  // namespace ringtime::http
