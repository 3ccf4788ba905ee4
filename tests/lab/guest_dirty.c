/* The lab's busy guest: rewrites memory without end.
 *
 *   dirty MIB MIB_PER_S
 *
 * A word of each page in turn, so that the rate and not the host's processor says how fast memory changes: dd from
 * /dev/urandom, which makes every byte anew, took a whole core under emulation for the same 18 MiB/s.
 * What was missed, by auto-converge or a busy host, is not made up for, as with a guest that computes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

enum { PAGE = 4096, PAGES_PER_MIB = 256, TICK_NS = 10 * 1000 * 1000, TICKS_PER_S = 100 };

static uint64_t state = 88172645463325252ull;

/* xorshift64 (Marsaglia 2003): no page is empty or like another, so nothing is saved by leaving pages out. */
static uint64_t next_word(void) {
    state ^= state << 13;
    state ^= state >> 7;
    return state ^= state << 17;
}

int main(int count, char **words) {
    if (count != 3) return 2;
    size_t pages = strtoul(words[1], NULL, 10) * PAGES_PER_MIB, page = 0;
    size_t each_tick = strtoul(words[2], NULL, 10) * PAGES_PER_MIB / TICKS_PER_S;
    uint64_t *memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || !pages) return 1;
    size_t length = PAGE / sizeof *memory;
    for (size_t word = 0; word < pages * length; word++) memory[word] = next_word();

    struct timespec due, now;
    clock_gettime(CLOCK_MONOTONIC, &due);
    for (;;) {
        for (size_t done = 0; done < each_tick; done++, page = (page + 1) % pages) memory[page * length] = next_word();
        due.tv_nsec += TICK_NS;
        if (due.tv_nsec >= 1000000000) due.tv_sec++, due.tv_nsec -= 1000000000;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (now.tv_sec > due.tv_sec || (now.tv_sec == due.tv_sec && now.tv_nsec > due.tv_nsec)) due = now;
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL) == EINTR) {}
    }
}
