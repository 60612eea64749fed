#include "threads/kept.h"

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#endif

namespace sk {

std::mutex& kept_mutex() {
    static std::mutex& mutex = *[] {
#if defined(__unix__) || defined(__APPLE__)
        pthread_atfork([] { kept_mutex().lock(); }, [] { kept_mutex().unlock(); }, [] { kept_mutex().unlock(); });
#endif
        return new std::mutex;  // never destroyed: threads may run while the process ends
    }();
    return mutex;
}

}  // namespace sk
