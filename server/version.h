/* What the banner and -version say. */
#ifndef ISTHMUS_SERVER_VERSION_H
#define ISTHMUS_SERVER_VERSION_H

#define VERSION_NUMBER "0.1.0"
#define VERSION_LINE   "isthmus-" VERSION_NUMBER

#if defined __x86_64__
#define VERSION_MACHINE "amd64"
#elif defined __aarch64__
#define VERSION_MACHINE "arm64"
#elif defined __riscv
#define VERSION_MACHINE "riscv64"
#else
#define VERSION_MACHINE "unknown"
#endif

#if defined __clang__
#define VERSION_COMPILER "clang " __clang_version__
#else
#define VERSION_COMPILER "gcc " __VERSION__
#endif

#define VERSION_BUILD "linux/" VERSION_MACHINE ", " VERSION_COMPILER

#endif
