#include "runtime/archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "config/diagnostic.h"

namespace ringtime::runtime {
namespace {

namespace fs = std::filesystem;

constexpr size_t kPathBytesMax = 1024;
constexpr size_t kNameBytesMax = 255;
constexpr size_t kDepthMax = 32;
constexpr uint64_t kFreeBytes = 1024 * 1024;
constexpr size_t kBlockBytes = 64 * 1024;

struct ReaderEnd {
    void operator()(archive* reader) const noexcept { archive_read_free(reader); }
};
struct WriterEnd {
    void operator()(archive* writer) const noexcept { archive_write_free(writer); }
};
struct EntryEnd {
    void operator()(archive_entry* entry) const noexcept { archive_entry_free(entry); }
};
using Reader = std::unique_ptr<archive, ReaderEnd>;
using Writer = std::unique_ptr<archive, WriterEnd>;
using Entry = std::unique_ptr<archive_entry, EntryEnd>;

std::string_view error_text(archive* object) {
    const char* text = archive_error_string(object);
    return text ? text : "damaged";
}

bool is_name(std::string_view name) noexcept {
    return !name.empty() && name.size() <= kNameBytesMax && name != ".." &&
           std::none_of(name.begin(), name.end(), [](char c) {
               return static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\';
           });
}

// `./a//b/` gives {a, b}. False: a path that leads elsewhere, or that others could read otherwise.
bool split_path(std::string_view path, std::vector<std::string_view>& parts) {
    parts.clear();
    if (path.empty() || path.size() > kPathBytesMax || path.front() == '/') return false;
    while (!path.empty()) {
        size_t end = std::min(path.find('/'), path.size());
        std::string_view name = path.substr(0, end);
        path.remove_prefix(std::min(end + 1, path.size()));
        if (name.empty() || name == ".") continue;
        if (!is_name(name) || parts.size() == kDepthMax) return false;
        parts.push_back(name);
    }
    return true;
}

class Unpacker {
 public:
    Unpacker(const exchange::BlockText& text, const std::string& folder,
             const ArchiveLimits& limits, std::string& problem)
        : text_(text), limits_(limits), problem_(problem), folder_(folder) {}

    // Looked through first, written after: an archive that is refused for what it holds costs no
    // file, and no time of a slow disk.
    bool run() {
        root_ = Fd(::open(folder_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!root_) return fail_errno(folder_);
        return pass(Pass::look) && pass(Pass::write);
    }

 private:
    enum class Pass { look, write };

    bool pass(Pass pass) {
        pass_ = pass;
        if (!open()) return false;
        for (;;) {
            archive_entry* entry = nullptr;
            int result = archive_read_next_header(reader_.get(), &entry);
            if (result == ARCHIVE_EOF) break;
            // A warning is about a name's character set: names are checked here as bytes.
            if (result != ARCHIVE_OK && result != ARCHIVE_WARN)
                return fail("the archive", error_text(reader_.get()));
            if (!take(*entry)) return false;
        }
        if (entries_ > 0) return true;
        return fail_whole("is empty");
    }

    bool fail(std::string_view what, std::string_view why) {
        problem_ = fmt::format("{}: {}", what, why);
        return false;
    }
    bool fail_whole(std::string_view why) {
        problem_ = fmt::format("the archive {}", why);
        return false;
    }
    bool fail_errno(std::string_view what) { return fail(what, std::strerror(errno)); }

    bool open() {
        at_ = 0;
        entries_ = 0;
        bytes_ = 0;
        reader_.reset(archive_read_new());
        // Two formats and one filter: each further one is code that reads hostile bytes.
        archive_read_support_format_tar(reader_.get());
        archive_read_support_format_zip_seekable(reader_.get());
        archive_read_support_filter_gzip(reader_.get());
        archive_read_set_callback_data(reader_.get(), this);
        archive_read_set_read_callback(reader_.get(), [](archive*, void* self, const void** out) {
            return static_cast<Unpacker*>(self)->read(out);
        });
        // The directory at a .zip's end is what counts, not what lies between.
        archive_read_set_seek_callback(
            reader_.get(), [](archive*, void* self, la_int64_t offset, int whence) {
                return static_cast<Unpacker*>(self)->seek(offset, whence);
            });
        if (archive_read_open1(reader_.get()) == ARCHIVE_OK) return true;
        return fail_whole(
            "is neither .tar.gz nor .zip; send the file itself, as curl --data-binary @FILE does");
    }

    la_ssize_t read(const void** out) {
        if (at_ >= text_.size()) return 0;
        // All blocks but the last are as large as the first.
        size_t block_bytes = text_.block(0).size();
        std::string_view rest = text_.block(at_ / block_bytes).substr(at_ % block_bytes);
        *out = rest.data();
        at_ += rest.size();
        return static_cast<la_ssize_t>(rest.size());
    }

    la_int64_t seek(la_int64_t offset, int whence) {
        auto size = static_cast<la_int64_t>(text_.size());
        la_int64_t base = 0;
        if (whence == SEEK_END) base = size;
        if (whence == SEEK_CUR) base = static_cast<la_int64_t>(at_);
        if (offset < -base || offset > size - base) return ARCHIVE_FATAL;
        at_ = static_cast<size_t>(base + offset);
        return base + offset;
    }

    bool take(archive_entry& entry) {
        const char* bytes = archive_entry_pathname(&entry);
        if (!bytes) bytes = archive_entry_pathname_utf8(&entry);
        std::string path = bytes ? bytes : "";
        std::string name = config::quote(path);
        if (++entries_ > limits_.entries_max)
            return fail_whole(fmt::format("has more than {} entries", limits_.entries_max));
        if (!split_path(path, parts_)) return fail(name, "a path that is not allowed");
        if (archive_entry_is_encrypted(&entry)) return fail(name, "encrypted");
        if (archive_entry_hardlink(&entry) || archive_entry_symlink(&entry))
            return fail(name, "links are not taken");
        auto type = archive_entry_filetype(&entry);
        if (type != AE_IFREG && type != AE_IFDIR)
            return fail(name, "neither a file nor a folder");
        if (archive_entry_sparse_count(&entry) > 0) return fail(name, "sparse files are not taken");
        bool is_file = type == AE_IFREG;
        if (is_file && parts_.empty()) return fail(name, "a path that is not allowed");
        if (pass_ == Pass::look) return !is_file || take_data(entry, -1, name);
        Fd folder = make_folders(is_file ? parts_.size() - 1 : parts_.size());
        if (!folder) return fail_errno(name);
        return !is_file || write_file(entry, folder.get(), name);
    }

    // `file`: where the bytes go; -1: they are only counted.
    bool take_data(archive_entry& entry, int file, const std::string& name) {
        char block[kBlockBytes];
        uint64_t before = bytes_;
        for (;;) {
            la_ssize_t got = archive_read_data(reader_.get(), block, sizeof block);
            if (got < 0) return fail(name, error_text(reader_.get()));
            if (got == 0) break;
            bytes_ += static_cast<uint64_t>(got);
            uint64_t from_ratio = kFreeBytes + uint64_t{limits_.ratio_max} * text_.size();
            if (bytes_ > std::min(limits_.bytes_max, from_ratio))
                return fail(name, fmt::format("unpacked, the archive exceeds {} bytes",
                                              std::min(limits_.bytes_max, from_ratio)));
            if (file >= 0 && ::write(file, block, static_cast<size_t>(got)) != got)
                return fail_errno(name);
        }
        if (archive_entry_size_is_set(&entry) &&
            bytes_ - before != static_cast<uint64_t>(archive_entry_size(&entry)))
            return fail(name, "not as long as the archive says");
        return true;
    }

    // The folder of the first `count` parts, made where it is missing.
    Fd make_folders(size_t count) {
        Fd at(::openat(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
        for (size_t i = 0; i < count && at; ++i) {
            std::string part(parts_[i]);
            if (::mkdirat(at.get(), part.c_str(), 0755) != 0 && errno != EEXIST) return {};
            at = Fd(::openat(at.get(), part.c_str(),
                             O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        }
        return at;
    }

    bool write_file(archive_entry& entry, int folder, const std::string& name) {
        std::string part(parts_.back());
        // A worker program stays one; nothing gets more rights than that.
        mode_t mode = (archive_entry_perm(&entry) & 0100) != 0 ? 0755 : 0644;
        Fd file(::openat(folder, part.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
        if (!file && errno == EEXIST) return fail(name, "there twice");
        if (!file) return fail_errno(name);
        if (!take_data(entry, file.get(), name)) return false;
        if (::fchmod(file.get(), mode) != 0) return fail_errno(name);
        if (!archive_entry_mtime_is_set(&entry)) return true;
        timespec times[2] = {{0, UTIME_OMIT},
                             {archive_entry_mtime(&entry), archive_entry_mtime_nsec(&entry)}};
        (void)::futimens(file.get(), times);
        return true;
    }

    const exchange::BlockText& text_;
    const ArchiveLimits& limits_;
    std::string& problem_;
    const std::string& folder_;
    Reader reader_;
    Fd root_;
    Pass pass_ = Pass::look;
    size_t at_ = 0;  ///< In the archive.
    uint32_t entries_ = 0;
    uint64_t bytes_ = 0;
    std::vector<std::string_view> parts_;
};

class Packer {
 public:
    Packer(const std::string& folder, PackSummary& summary, std::string& problem)
        : folder_(folder), summary_(summary), problem_(problem) {}

    bool run(const std::string& file) {
        writer_.reset(archive_write_new());
        archive_write_add_filter_gzip(writer_.get());
        // Without the time of packing, the same files give the same archive.
        archive_write_set_filter_option(writer_.get(), "gzip", "timestamp", nullptr);
        archive_write_set_format_pax_restricted(writer_.get());
        if (archive_write_open_filename(writer_.get(), file.c_str()) != ARCHIVE_OK)
            return fail(file, error_text(writer_.get()));
        if (!add_folder("")) return false;
        if (archive_write_close(writer_.get()) != ARCHIVE_OK)
            return fail(file, error_text(writer_.get()));
        summary_.packed_bytes = static_cast<uint64_t>(archive_filter_bytes(writer_.get(), -1));
        return true;
    }

 private:
    bool fail(std::string_view what, std::string_view why) {
        problem_ = fmt::format("{}: {}", what, why);
        return false;
    }

    bool add_folder(const std::string& relative) {
        std::vector<std::string> names;
        std::error_code fault;
        for (fs::directory_iterator entry(folder_ + "/" + relative, fault), end;
             !fault && entry != end; entry.increment(fault)) {
            std::string name = entry->path().filename().string();
            if (name.front() != '.') names.push_back(std::move(name));
        }
        if (fault) return fail(folder_ + "/" + relative, fault.message());
        std::sort(names.begin(), names.end());
        for (const std::string& name : names) {
            if (!add(relative.empty() ? name : relative + "/" + name)) return false;
        }
        return true;
    }

    bool add(const std::string& relative) {
        std::string path = folder_ + "/" + relative;
        Fd file(::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file && errno == ELOOP) return fail(path, "a link; packages are packed without links");
        struct stat status {};
        if (!file || ::fstat(file.get(), &status) != 0) return fail(path, std::strerror(errno));
        if (S_ISDIR(status.st_mode)) return add_folder(relative);
        if (!S_ISREG(status.st_mode)) return fail(path, "neither a file nor a folder");
        Entry entry(archive_entry_new());
        archive_entry_set_pathname(entry.get(), relative.c_str());
        archive_entry_set_filetype(entry.get(), AE_IFREG);
        archive_entry_set_perm(entry.get(), (status.st_mode & 0100) != 0 ? 0755 : 0644);
        archive_entry_set_size(entry.get(), status.st_size);
        archive_entry_set_mtime(entry.get(), status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
        if (archive_write_header(writer_.get(), entry.get()) != ARCHIVE_OK)
            return fail(path, error_text(writer_.get()));
        ++summary_.files;
        return copy(file.get(), path, static_cast<uint64_t>(status.st_size));
    }

    bool copy(int fd, const std::string& path, uint64_t size) {
        char block[kBlockBytes];
        for (uint64_t done = 0; done < size;) {
            ssize_t got = ::read(fd, block, sizeof block);
            if (got < 0) return fail(path, std::strerror(errno));
            if (got == 0) return fail(path, "became shorter while it was packed");
            auto part = std::min<uint64_t>(static_cast<uint64_t>(got), size - done);
            if (archive_write_data(writer_.get(), block, part) < 0)
                return fail(path, error_text(writer_.get()));
            done += part;
        }
        summary_.bytes += size;
        return true;
    }

    const std::string& folder_;
    PackSummary& summary_;
    std::string& problem_;
    Writer writer_;
};

}  // namespace

bool unpack(const exchange::BlockText& archive, const std::string& folder,
            const ArchiveLimits& limits, std::string& problem) {
    return Unpacker(archive, folder, limits, problem).run();
}

bool pack(const std::string& folder, const std::string& file, PackSummary& summary,
          std::string& problem) {
    if (Packer(folder, summary, problem).run(file)) return true;
    ::unlink(file.c_str());
    return false;
}

}  // namespace ringtime::runtime
