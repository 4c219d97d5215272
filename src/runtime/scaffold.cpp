#include "runtime/scaffold.h"

#include <fmt/core.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace ringtime::runtime {
namespace {

bool write_file(const std::string& path, const std::string& content) {
    FILE* file = std::fopen(path.c_str(), "wxe");
    if (!file) return false;
    bool written = std::fwrite(content.data(), 1, content.size(), file) == content.size();
    return std::fclose(file) == 0 && written;
}

std::string parent_of(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == std::string::npos ? std::string{} : path.substr(0, slash);
}

constexpr std::string_view kTest =
    R"("""Starts a gateway with the {1} and asks it. RINGTIME names the program."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
MODULE = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else HERE / "{3}")


class Package(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        root = pathlib.Path(self.folder.name)
        for folder in ("apps", "plugins"):
            (root / folder).mkdir()
        package = root / "{2}/{0}"
        (package / "{3}").parent.mkdir(parents=True)
        shutil.copy(HERE / "manifest.yaml", package)
        shutil.copy(MODULE, package / "{3}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        settings = dict(os.environ, RUNTIME_LISTEN=f"127.0.0.1:{{self.port}}", RUNTIME_CORES="1",
                        RUNTIME_WORKER_DIRS=str(root / "apps"),
                        RUNTIME_PLUGIN_DIRS=str(root / "plugins"),
                        RUNTIME_DATA_DIR=str(root / "data"))
        self.gateway = subprocess.Popen([os.environ.get("RINGTIME", "ringtime"), "run"],
                                        env=settings, stdout=subprocess.DEVNULL)
        self.addCleanup(self.stop)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and self.gateway.poll() is None:
            try:
                if self.ask("/ready")[0] == 200:
                    return
            except OSError:
                pass
            time.sleep(0.05)
        self.fail("the gateway did not start; what it said is above")

    def stop(self):
        self.gateway.terminate()
        self.gateway.wait()

    def ask(self, path, **headers):
        fields = {{name.replace("_", "-"): value for name, value in headers.items()}}
        request = urllib.request.Request(f"http://127.0.0.1:{{self.port}}{{path}}", headers=fields)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, answer.headers, answer.read()
{4}

if __name__ == "__main__":
    unittest.main()
)";

}  // namespace

bool write_scaffold(const std::string& folder, const std::vector<ScaffoldFile>& files,
                    std::string& problem) {
    if (::mkdir(folder.c_str(), 0777) != 0) {
        problem = fmt::format("cannot make the folder {}: {}", folder, std::strerror(errno));
        return false;
    }
    for (size_t i = 0; i < files.size(); ++i) {
        if (write_file(folder + "/" + files[i].path, files[i].content)) continue;
        problem = fmt::format("cannot write {}/{}: {}", folder, files[i].path,
                              std::strerror(errno));
        for (size_t done = 0; done <= i; ++done)
            (void)::unlink((folder + "/" + files[done].path).c_str());
        (void)::rmdir(folder.c_str());
        return false;
    }
    return true;
}

std::string test_program(const ScaffoldTest& test) {
    return fmt::format(kTest, test.name, test.kind, test.door, test.built, test.tests);
}

std::string find_sdk_headers() {
    char path[4096];
    ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
    std::string folder(path, size > 0 ? static_cast<size_t>(size) : 0);
    // Installed it is PREFIX/bin beside PREFIX/include; in a build folder the source is above it.
    while (!(folder = parent_of(folder)).empty()) {
        std::string headers = folder + "/include";
        if (::access((headers + "/ringtime/worker.hpp").c_str(), R_OK) == 0) return headers;
    }
    return {};
}

bool is_package_name(std::string_view name) noexcept {
    if (name.empty() || name.size() > 64 || name[0] < 'a' || name[0] > 'z') return false;
    for (char c : name) {
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-') return false;
    }
    return true;
}

bool is_system_folder(std::string_view headers) noexcept {
    return headers == "/usr/include" || headers == "/usr/local/include";
}

}  // namespace ringtime::runtime
