// ringtime-worker-host: what worker processes begin as. `MODULE.so` runs an application that is a
// module;
// `--zygote PID` is the process that makes workers, for the gateway PID.
#include <cstdlib>
#include <cstring>

extern "C" int rtw_run_module(int argc, char** argv);

namespace ringtime::worker {
int run_zygote(long gateway);
}

int main(int argc, char** argv) {
    if (argc == 3 && std::strcmp(argv[1], "--zygote") == 0)
        return ringtime::worker::run_zygote(std::atol(argv[2]));
    return rtw_run_module(argc, argv);
}
