/* The page's own files, as text: lab/view/page.html, page.css, and all scripts one after the other. */
#ifndef CW_PAGE_FILES_H
#define CW_PAGE_FILES_H

extern const char cw_page_html[], cw_page_style[], cw_page_script[];

#endif
