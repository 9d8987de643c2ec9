#include "resolver/io.h"

#define STATUS(n)                                                                      \
    {                                                                                  \
        n, "HTTP status " #n                                                           \
    }

/* Those that are met with (RFC 9110 section 15). */
static const struct {
    int status;
    const char *words;
} statuses[] = {
    STATUS(301), STATUS(302), STATUS(303), STATUS(307), STATUS(308), STATUS(400),
    STATUS(401), STATUS(403), STATUS(404), STATUS(405), STATUS(406), STATUS(410),
    STATUS(411), STATUS(413), STATUS(414), STATUS(415), STATUS(421), STATUS(422),
    STATUS(425), STATUS(426), STATUS(429), STATUS(431), STATUS(451), STATUS(500),
    STATUS(501), STATUS(502), STATUS(503), STATUS(504), STATUS(505), STATUS(507),
    STATUS(520), STATUS(521), STATUS(522), STATUS(523), STATUS(524), STATUS(525),
    STATUS(526), STATUS(530),
};

const char *io_status_words(int error)
{
    int status = error - IO_HTTP_STATUS;
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (statuses[i].status == status)
            return statuses[i].words;
    }
    return status >= 100 && status <= 999 ? "another HTTP status than 200"
                                          : "network error";
}
